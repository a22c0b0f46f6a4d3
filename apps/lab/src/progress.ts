import { createLogUpdate } from 'log-update';
import pc from 'picocolors';
import { clock, count, nats } from './format.js';
import type { Outcome } from './scheduler.js';
import type { ModelResult, TrainingEvent } from './types.js';
import { messageOf } from './errors.js';

/** Shows what the workers tell. */
export interface Display {
  /** A line of text that stays. */
  note(line: string): void;
  start(name: string): void;
  event(name: string, event: TrainingEvent): void;
  end(outcome: Outcome<ModelResult>): void;
  /** Ends the display; what it showed last stays. */
  close(): void;
}

/** A stream to print on; `process.stdout` is one. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export type DisplayKind = 'live' | 'plain' | 'json' | 'quiet';

/** What a display knows of the work ahead. */
export interface WorkAhead {
  /** Expected seconds of each model, in any unit that they share; the order is that of the rows. */
  readonly costs: ReadonlyMap<string, number>;
  /** Models that train side by side. */
  readonly jobs: number;
}

/** The display of a kind, with a row per model. */
export function createDisplay(
  kind: DisplayKind,
  work: WorkAhead,
  output: Output & NodeJS.WritableStream,
): Display {
  if (kind === 'live') return liveDisplay(work, output);
  if (kind === 'plain') return plainDisplay([...work.costs.keys()], output);
  if (kind === 'json') return jsonDisplay(output);
  return { note() {}, start() {}, event() {}, end() {}, close() {} };
}

/** What is known of one model while it trains. */
export interface RowState {
  readonly name: string;
  status: 'waiting' | 'starting' | 'training' | 'validation' | 'sample' | 'done' | 'stopped' | 'failed';
  step: number;
  steps: number;
  loss?: number;
  validation?: number;
  charactersPerSecond?: number;
  secondsLeft?: number;
  error?: string;
}

/** A row for a model that waits. */
export function newRow(name: string): RowState {
  return { name, status: 'waiting', step: 0, steps: 0 };
}

/** Brings a row up to date with an event. */
export function applyEvent(row: RowState, event: TrainingEvent): void {
  if (event.type === 'started')
    Object.assign(row, { status: 'training', step: event.step, steps: event.steps });
  else if (event.type === 'progress') {
    const { step, loss, charactersPerSecond, secondsLeft } = event;
    Object.assign(row, { status: 'training', step, loss, charactersPerSecond, secondsLeft });
  } else if (event.type === 'validated') row.validation = event.validation;
  else if (event.type === 'phase') row.status = event.phase;
}

/** Brings a row up to date with the end of its job. */
export function applyOutcome(row: RowState, outcome: Outcome<ModelResult>): void {
  row.status = outcome.status;
  if (outcome.status === 'done') row.validation = outcome.result.validation;
  if (outcome.status === 'failed') row.error = messageOf(outcome.error);
}

const remarks: Record<Exclude<RowState['status'], 'training'>, string> = {
  waiting: 'waiting',
  starting: 'starting',
  validation: 'validating',
  sample: 'sampling',
  done: 'done',
  stopped: 'saved',
  failed: 'failed',
};

/** The block that the live display draws: a heading and a line per model. */
export function renderRows(rows: readonly RowState[]): string {
  const name = Math.max(5, ...rows.map((row) => row.name.length));
  const head = pc.dim(
    `  ${'model'.padEnd(name)}  ${'training'.padEnd(25)} ${'loss'.padStart(6)} ${'valid'.padStart(7)} ${'char/s'.padStart(8)}  left`,
  );
  return [head, ...rows.map((row) => renderRow(row, name))].join('\n');
}

function renderRow(row: RowState, width: number): string {
  const share = row.steps > 0 ? row.step / row.steps : 0;
  const filled = Math.round(share * 20);
  const bar = pc.cyan('━'.repeat(filled)) + pc.dim('─'.repeat(20 - filled));
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const training = row.status === 'training';
  const numbers = `${nats(row.loss).padStart(6)} ${nats(row.validation).padStart(7)} ${(training && row.charactersPerSecond ? count(row.charactersPerSecond) : '').padStart(8)}`;
  const remark = row.status === 'training' ? clock(row.secondsLeft ?? Infinity) : remarks[row.status];
  const coloured =
    row.status === 'done' ? pc.green(remark) : row.status === 'failed' ? pc.red(remark) : remark;
  return `  ${row.name.padEnd(width)}  ${bar} ${percent} ${numbers}  ${coloured}`;
}

/**
 * Seconds until the last model is done, or undefined while nothing is known: what runs has told its time, what waits
 * takes its expected time, scaled by how the others compare with theirs.
 */
export function estimateLeft(rows: readonly RowState[], { costs, jobs }: WorkAhead): number | undefined {
  const running = rows.filter(
    (row) => row.status === 'training' && row.secondsLeft !== undefined && row.step > 0,
  );
  const share = (row: RowState): number => costs.get(row.name)! * (1 - row.step / row.steps);
  const expected = running.reduce((sum, row) => sum + share(row), 0);
  if (expected === 0) return undefined;
  const scale = running.reduce((sum, row) => sum + row.secondsLeft!, 0) / expected;
  const lanes = running.map((row) => row.secondsLeft!);
  while (lanes.length < jobs) lanes.push(0);
  const waiting = rows
    .filter(({ status }) => status === 'waiting' || status === 'starting')
    .map(({ name }) => scale * costs.get(name)!);
  for (const seconds of waiting.sort((a, b) => b - a)) {
    lanes.sort((a, b) => a - b);
    lanes[0] += seconds;
  }
  return Math.max(...lanes);
}

/** Redraws one block in place, four times a second. */
function liveDisplay(work: WorkAhead, output: NodeJS.WritableStream): Display {
  const rows = new Map([...work.costs.keys()].map((name) => [name, newRow(name)]));
  const update = createLogUpdate(output);
  const draw = (): void => {
    const all = [...rows.values()];
    const left = estimateLeft(all, work);
    update(`${renderRows(all)}${left === undefined ? '' : `\n\n  about ${clock(left)} left`}`);
  };
  const timer = setInterval(draw, 250);
  timer.unref();
  draw();
  return {
    note(line) {
      update.clear();
      output.write(`${line}\n`);
      draw();
    },
    start: (name) => void (rows.get(name)!.status = 'starting'),
    event: (name, event) => applyEvent(rows.get(name)!, event),
    end: (outcome) => applyOutcome(rows.get(outcome.name)!, outcome),
    close() {
      clearInterval(timer);
      update(renderRows([...rows.values()]));
      update.done();
    },
  };
}

/** Seconds between two lines of the same model where lines cannot be redrawn. */
const PLAIN_INTERVAL = 10;

/** One line per model every ten seconds and at each turn. */
function plainDisplay(
  names: readonly string[],
  output: Output,
  now: () => number = () => performance.now() / 1000,
): Display {
  const width = Math.max(...names.map((name) => name.length));
  const rows = new Map(names.map((name) => [name, newRow(name)]));
  const last = new Map<string, number>();
  const say = (name: string, text: string): void => void output.write(`  ${name.padEnd(width)}  ${text}\n`);
  return {
    note: (line) => void output.write(`${line}\n`),
    start: (name) => say(name, 'starts'),
    event(name, event) {
      const row = rows.get(name)!;
      applyEvent(row, event);
      if (event.type === 'phase') say(name, remarks[event.phase]);
      if (event.type !== 'progress' || now() - (last.get(name) ?? -Infinity) < PLAIN_INTERVAL) return;
      last.set(name, now());
      const valid = row.validation === undefined ? '' : `  valid ${nats(row.validation)}`;
      say(
        name,
        `step ${row.step}/${row.steps}  loss ${nats(row.loss)}${valid}  ${count(event.charactersPerSecond)} char/s  ${clock(event.secondsLeft)} left`,
      );
    },
    end(outcome) {
      const row = rows.get(outcome.name)!;
      applyOutcome(row, outcome);
      say(
        outcome.name,
        outcome.status === 'done'
          ? `done, validation ${nats(row.validation)} nats/character`
          : (row.error ?? remarks[outcome.status]),
      );
    },
    close() {},
  };
}

/** Every event as a line of JSON with the model's name. */
function jsonDisplay(output: Output): Display {
  const line = (value: unknown): void => void output.write(`${JSON.stringify(value)}\n`);
  return {
    note() {},
    start: (model) => line({ model, type: 'start' }),
    event: (model, event) => line({ model, ...event }),
    end: (outcome) =>
      line({
        model: outcome.name,
        type: outcome.status,
        ...(outcome.status === 'failed' ? { message: messageOf(outcome.error) } : {}),
      }),
    close() {},
  };
}
