/** Posted forms (application/x-www-form-urlencoded): each name once, unless the route says it is a list. */
import { HttpRefusal } from './refusal.ts';
import { checkNames, checkTexts } from './target.ts';

export class FormBody {
  readonly #values: URLSearchParams;
  readonly #lists: ReadonlySet<string>;

  constructor(text: string, lists: readonly string[] = []) {
    this.#values = new URLSearchParams(text);
    this.#lists = new Set(lists);
    checkNames(this.#values.keys());
    checkTexts(this.#values.values());
    for (const name of new Set(this.#values.keys())) {
      if (!this.#lists.has(name) && this.#values.getAll(name).length > 1) {
        throw new HttpRefusal(
          400,
          'input-malformed',
          `the field ${JSON.stringify(name.slice(0, 40))} comes twice`,
        );
      }
    }
  }

  /** The one value of a field; empty when it is missing. */
  text(name: string): string {
    return this.#values.get(name) ?? '';
  }

  /** All values of a field that the route declared as a list. */
  list(name: string): string[] {
    if (!this.#lists.has(name)) throw new TypeError(`${name} is not declared as a list by this route`);
    return this.#values.getAll(name);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Names that were sent. */
  names(): string[] {
    return [...new Set(this.#values.keys())];
  }
}
