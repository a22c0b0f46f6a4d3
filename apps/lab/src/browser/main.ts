import { openWorker } from '@seq/train/worker';
import { messageOf } from '../errors.js';
import { bytes, clock, count, nats, short } from '../format.js';
import { createLossChart } from './chart.js';
import type { Choice, TrainEvent, Usage } from './protocol.js';
import type { LabJobs } from './worker.js';

// The page: a form, figures, a chart and a text. It computes nothing.

const element = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;
const [form, train, stop] = [
  element<HTMLFormElement>('form'),
  element<HTMLButtonElement>('train'),
  element<HTMLButtonElement>('stop'),
];
const [model, device] = [element<HTMLSelectElement>('model'), element<HTMLSelectElement>('device')];
const [steps, seed, prompt] = ['steps', 'seed', 'prompt'].map((id) => element<HTMLInputElement>(id));
const progress = element<HTMLProgressElement>('progress');
const sample = element('sample');
const chart = createLossChart(element<HTMLCanvasElement>('chart'));
const phases = {
  text: 'Reading the text …',
  device: 'Asking for the device …',
  compile: 'Compiling and doing the first step …',
  write: 'Writing …',
} as const;

let choices: readonly Choice[] = [];
let written = '';
let stopping = new AbortController();

const worker = openWorker<LabJobs>(new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }));

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void begin().catch(fail);
});
stop.addEventListener('click', () => {
  // There may be nothing left to stop but the writing.
  if (stopping.signal.aborted) void worker.run('stopWriting', null).result.catch(fail);
  else stopping.abort();
  say('Stopping …');
});
model.addEventListener('change', () => {
  steps.value = String(choices[model.selectedIndex].steps);
});

async function begin(): Promise<void> {
  busy(true);
  show('notice', null);
  show('error', null);
  for (const id of ['adapter', 'parameters', 'loss', 'validation', 'speed', 'work', 'memory']) put(id, '–');
  progress.value = 0;
  sample.textContent = 'A sample appears when training ends or is stopped.';
  sample.classList.add('empty');
  written = prompt.value;
  chart.begin([]);
  stopping = new AbortController();
  const request = {
    model: model.value,
    device: device.value as 'cpu' | 'webgpu',
    steps: steps.valueAsNumber,
    seed: seed.valueAsNumber,
    prompt: prompt.value,
    text: new URL('moby-dick.txt', document.baseURI).href,
  };
  const run = worker.run('train', request, { signal: stopping.signal });
  for await (const event of run) hear(event);
  const { step, loss, seconds, stopped, usage } = await run.result;
  progress.value = step;
  put('loss', `${nats(loss)} nats/character`);
  chart.end(step);
  showUsage(usage);
  busy(false);
  say(`${stopped ? 'Stopped' : 'Done'} after ${count(step)} steps in ${clock(seconds)}.`);
}

function hear(event: TrainEvent): void {
  switch (event.type) {
    case 'phase':
      if (event.phase === 'write') stopping.abort();
      say(phases[event.phase]);
      break;
    case 'device':
      put('adapter', event.device === 'webgpu' ? `WebGPU: ${event.title}` : event.title);
      put('work-name', event.device === 'webgpu' ? 'Dispatches' : 'Kernels run');
      show('notice', event.notice);
      break;
    case 'started':
      put('parameters', count(event.parameters));
      chart.begin(event.floors);
      break;
    case 'progress':
      progress.max = steps.valueAsNumber;
      progress.value = event.step;
      put('loss', `${nats(event.loss)} nats/character`);
      put('speed', `${short(event.charactersPerSecond)} a second`);
      showUsage(event.usage);
      if (!stop.disabled)
        say(`Step ${count(event.step)} of ${count(progress.max)}, ${clock(event.secondsLeft)} left`);
      break;
    case 'point':
      chart.add('training', event.step, event.loss);
      break;
    case 'validated':
      chart.add('held-out', event.step, event.nats);
      put('validation', `${nats(event.nats)} nats/character`);
      break;
    case 'written':
      written += event.text;
      sample.classList.remove('empty');
      sample.textContent = written;
      break;
  }
}

function showUsage({ work, stepWork, bytes: now, peakBytes }: Usage): void {
  put('work', `${count(work)} (${count(stepWork)} a step)`);
  put('memory', `${bytes(now)} (at most ${bytes(peakBytes)})`);
}

function fail(error: unknown): void {
  show('error', messageOf(error));
  busy(false);
  if (choices.length === 0) train.disabled = true;
  say('Failed.');
}

function busy(now: boolean): void {
  train.disabled = now;
  stop.disabled = !now;
  for (const field of [model, device, steps, seed, prompt]) field.disabled = now;
}

function say(text: string): void {
  put('status', text);
}

function put(id: string, text: string): void {
  element(id).textContent = text;
}

/** Shows a message, or hides its place. */
function show(id: 'notice' | 'error', text: string | null): void {
  element(id).hidden = text === null;
  put(id, text ?? '');
}

try {
  choices = await worker.run('choices', null).result;
  for (const { name, title } of choices) model.add(new Option(`${name}: ${title}`, name));
  model.value = 'gru';
  steps.value = String(choices[model.selectedIndex].steps);
  model.disabled = false;
  busy(false);
  say('Ready.');
} catch (error) {
  fail(error);
}
