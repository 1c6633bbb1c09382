/**
 * How many people's pages are made at once. Some more wait for their turn, a moment and no longer; whoever would wait
 * longer is told so, before anything is asked of the database, and when to come back. Work that piles up would make
 * everyone late and nobody sooner served. Apps that check tokens are not behind this door: a herd of people in front of
 * the sign-in page does not stop them.
 */
import { availableParallelism } from 'node:os';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createHerd, type Herd } from '#kit/limits/herd.ts';
import { HttpRefusal } from './refusal.ts';

export interface CrowdOptions {
  /** Pages that are made at once; default 10 a core, enough to keep it busy while others wait for the database. */
  places?: number;
  /** Who waited so many milliseconds for a place is turned away; default 2,500. */
  patienceMs?: number;
  /** Who has had a place so long waits for something elsewhere, and holds up nobody; default 3,000. */
  longMs?: number;
  /** Most requests inside, waiting or not; default 512. */
  most?: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Does work that waits for somebody else's answer; the request's place is another's meanwhile (`Place.away`). */
    away<T>(work: () => Promise<T>): Promise<T>;
  }
}

/** A place inside. */
export interface Place {
  leave(): void;
  /**
   * Gives the place on while something elsewhere is waited for, and takes one again afterwards. Whoever is back waits for
   * a place as long as others do, but is never turned away: what was begun may be done once only.
   */
  away<T>(work: () => Promise<T>): Promise<T>;
}

/** Watches the doors `page` and `form` of this server. */
export function boundCrowd(app: FastifyInstance, options: CrowdOptions = {}): void {
  const crowd = createCrowd(options);
  const inside = new WeakMap<FastifyRequest, Place>();
  const leave = (request: FastifyRequest) => {
    inside.get(request)?.leave();
    inside.delete(request);
  };
  app.decorateRequest('away', function away<T>(this: FastifyRequest, work: () => Promise<T>): Promise<T> {
    return inside.get(this)?.away(work) ?? work();
  });
  const enter = async (request: FastifyRequest, reply: FastifyReply) => {
    inside.set(request, await crowd.enter());
    // Whoever hangs up is answered to nobody.
    if (reply.raw.closed) leave(request);
    else reply.raw.once('close', () => leave(request));
  };
  app.addHook('onRequest', (request, reply, done) => {
    const { door } = request.routeOptions.config;
    if (door === 'page' || door === 'form') enter(request, reply).then(() => done(), done);
    else done();
  });
  app.addHook('onResponse', (request, _reply, done) => {
    leave(request);
    done();
  });
}

const placesPerCore = 10;

/** `enter` resolves with a place, once there is one; it refuses with `busy` where none becomes free in time. */
export function createCrowd({
  places = availableParallelism() * placesPerCore,
  patienceMs = 2500,
  longMs = 3000,
  most = 512,
}: CrowdOptions = {}): { enter(): Promise<Place> } {
  const herd = createHerd();
  const waiting = new Set<() => void>();
  let free = places;
  let inside = 0;
  const giveOn = () => {
    const [next] = waiting;
    if (next) next();
    else free += 1;
  };
  const comeBack = async () => {
    if (free > 0) free -= 1;
    else return turn(waiting, patienceMs);
    return true;
  };
  const takePlace = (): Place => {
    let held = true;
    let left = false;
    const giveUp = () => {
      if (held) giveOn();
      held = false;
    };
    let long = setTimeout(giveUp, longMs).unref();
    return {
      leave() {
        if (left) return;
        left = true;
        clearTimeout(long);
        inside -= 1;
        herd.served();
        giveUp();
      },
      async away(work) {
        if (left) return work();
        clearTimeout(long);
        giveUp();
        try {
          return await work();
        } finally {
          const came = !left && (await comeBack());
          if (came && left) giveOn();
          else if (came) {
            held = true;
            long = setTimeout(giveUp, longMs).unref();
          }
        }
      },
    };
  };
  return {
    async enter() {
      if (inside >= most) throw turnedAway(herd);
      inside += 1;
      if (free > 0) free -= 1;
      else if (!(await turn(waiting, patienceMs))) {
        inside -= 1;
        throw turnedAway(herd);
      }
      return takePlace();
    },
  };
}

/** Whether the turn came within this time. */
function turn(waiting: Set<() => void>, patienceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const called = () => end(true);
    const late = setTimeout(() => end(false), patienceMs);
    const end = (came: boolean) => {
      clearTimeout(late);
      waiting.delete(called);
      resolve(came);
    };
    waiting.add(called);
  });
}

const turnedAway = (herd: Herd) =>
  new HttpRefusal(503, 'busy', 'no place became free in time', herd.turnAway());
