export { openWorker } from './open.js';
export type { OpenedWorker, Run, RunOptions } from './open.js';
export type { Place } from './place.js';
export { serve } from './serve.js';
export type { EventOf, InputOf, Job, Jobs, ResultOf } from './serve.js';
