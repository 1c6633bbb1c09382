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

/** Watches the doors `page` and `form` of this server. */
export function boundCrowd(app: FastifyInstance, options: CrowdOptions = {}): void {
  const crowd = createCrowd(options);
  const inside = new WeakMap<FastifyRequest, () => void>();
  const leave = (request: FastifyRequest) => {
    inside.get(request)?.();
    inside.delete(request);
  };
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

/** `enter` resolves with how to leave, once there is a place; it refuses with `busy` where none becomes free in time. */
export function createCrowd({
  places = availableParallelism() * placesPerCore,
  patienceMs = 2500,
  longMs = 3000,
  most = 512,
}: CrowdOptions = {}): { enter(): Promise<() => void> } {
  const herd = createHerd();
  const waiting = new Set<() => void>();
  let free = places;
  let inside = 0;
  const giveOn = () => {
    const [next] = waiting;
    if (next) next();
    else free += 1;
  };
  const takePlace = () => {
    let held = true;
    const giveUp = () => {
      if (held) giveOn();
      held = false;
    };
    const long = setTimeout(giveUp, longMs);
    long.unref();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      clearTimeout(long);
      inside -= 1;
      herd.served();
      giveUp();
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
