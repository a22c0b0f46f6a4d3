import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { LabError } from './errors.js';
import type { Job, RunningJob } from './scheduler.js';
import type { ModelResult, ParentMessage, TrainingEvent, TrainingJob, WorkerMessage } from './types.js';

/** How many characters of a worker's error output are kept for the message when it dies. */
const KEPT_ERROR_OUTPUT = 2000;

/**
 * The training of one model in a process of its own.
 *
 * The process ignores Ctrl-C, which a terminal sends to the whole group: it saves and ends when told to.
 */
export function processJob(
  job: TrainingJob,
  cost: number,
  onEvent: (event: TrainingEvent) => void,
): Job<ModelResult> {
  return { name: job.recipe.name, cost, start: () => startProcess(job, onEvent) };
}

function startProcess(job: TrainingJob, onEvent: (event: TrainingEvent) => void): RunningJob<ModelResult> {
  const child = fork(...workerCommand());
  const send = (message: ParentMessage): void => void (child.connected && child.send(message, () => {}));
  let errors = '';
  let ended: WorkerMessage | undefined;
  child.stderr
    ?.setEncoding('utf8')
    .on('data', (text: string) => (errors = (errors + text).slice(-KEPT_ERROR_OUTPUT)));
  const done = new Promise<ModelResult | undefined>((resolve, reject) => {
    child.on('message', (message: WorkerMessage) => {
      if (message.type === 'event') onEvent(message.event);
      else ended = message;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (ended?.type === 'done') resolve(ended.result);
      else if (ended?.type === 'stopped') resolve(undefined);
      else if (ended?.type === 'failed')
        reject(new LabError(ended.exitCode, ended.message, { cause: ended.stack }));
      else
        reject(
          new Error(
            `the process ended with ${signal ?? `code ${code}`} before it was done${errors ? `:\n${errors.trim()}` : ''}`,
          ),
        );
    });
  });
  send({ type: 'train', job });
  return { done, stop: () => send({ type: 'stop' }), kill: () => void child.kill('SIGKILL') };
}

/** The worker beside this file: built JavaScript as it is, TypeScript sources (in tests) through tsx. */
function workerCommand(): Parameters<typeof fork> {
  const source = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(source ? './worker.ts' : './worker.js', import.meta.url));
  const execArgv = source
    ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href]
    : [];
  return [file, [], { execArgv, serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] }];
}
