/** What is shown this one time, to be copied now: a token, a secret, a link. */
import { LinkButton } from './button.tsx';
import { type Fact, Facts } from './facts.tsx';
import { Notice } from './notice.tsx';
import { Page } from './page.tsx';

export function ShownOnce(props: {
  title: string;
  /** Where one came from, and goes back to. */
  up: { href: string; label: string };
  /** That it has been made, and will not be shown again. */
  said: string;
  facts: readonly Fact[];
  /** What the way back says. */
  done: string;
}) {
  const { title, up, said, facts, done } = props;
  return (
    <Page title={title} up={up}>
      <section class="card narrow">
        <Notice tone="success" live>
          {said}
        </Notice>
        <Facts facts={facts} />
        <div class="actions">
          <LinkButton label={done} href={up.href} />
        </div>
      </section>
    </Page>
  );
}
