/**
 * Accounts at applications that keep their own: people and groups pushed to targets.
 * Owns `targets` and every `target_*` table. Records target.*, account.*, group.provisioned, brake.*, plan.*.
 * Refuses to push what an import, a sync or a merge brought before a person approved it, to double or take over an
 * account that may be somebody else's, to remove what is not ours, and to take away many accounts at once unasked.
 *
 * The walk: `intake` (events → jobs) → `work` (a worker a target) → `handle` → `provision` or `provisionGroup`:
 * `situation` (what is wanted) → look at the target → `plan` → `permission` → `apply` step by step → `settle`.
 * Connectors know `connector.ts` alone.
 */
export { type BrakeState, brakeState, releaseBrake, sweepRemovals } from './brake.ts';
export type { Connector } from './connector.ts';
export type { GroupPlan } from './group-plan.ts';
export { type GroupLink, groupLinks } from './groups.store.ts';
export { provisionGroup } from './groups.ts';
export type { LaneHandler, LaneHandlers } from './handle.ts';
export { type LaneJob, subjectJob } from './intake.ts';
export { type Link, linksOf, linksOfPerson } from './links.store.ts';
export {
  compileMapping,
  desiredFor,
  isMappingProblem,
  type MappingProblem,
  MappingRefused,
  mappingVariables,
  valuesFor,
} from './mapping.ts';
export { digestOf, type Plan, type Verdict, verdicts } from './plan.ts';
export { type Outcome, provision } from './provision.ts';
export { type QueueView, queueView, replay, replayAll } from './queue-view.ts';
export {
  checkSettings,
  type SettingsFinding,
  type TargetSettings,
  targetModes,
  targetSettings,
} from './settings.ts';
export { planPeople } from './situation.ts';
export {
  factsOf,
  findTarget,
  laneOf,
  liftQuarantine,
  listTargets,
  openTarget,
  type ProvisioningNeeds,
  prepareTarget,
  quarantine,
  removeTarget,
  requireTarget,
  rewrapTargets,
  saveTarget,
  setMode,
  type Target,
} from './targets.ts';
export { type Entry, type PlainState, personTimeline, plainState, timelineOf } from './timeline.ts';
export { type ProvisioningOptions, type RunningProvisioning, startProvisioning } from './work.ts';
