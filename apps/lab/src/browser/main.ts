import { bytes, clock, count, nats, short } from '../format.js';
import { createLossChart } from './chart.js';
import type { Choice, PageMessage, Usage, WorkerMessage } from './protocol.js';

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

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
const send = (message: PageMessage): void => worker.postMessage(message, []);

worker.addEventListener('message', ({ data }: MessageEvent<WorkerMessage>) => receive(data));
worker.addEventListener('error', ({ message }) => {
  fail(`The worker failed: ${message || 'its script could not be loaded'}. Load the page again.`);
});

form.addEventListener('submit', (event) => {
  event.preventDefault();
  begin();
});
stop.addEventListener('click', () => {
  send({ type: 'stop' });
  say('Stopping …');
});
model.addEventListener('change', () => {
  steps.value = String(choices[model.selectedIndex].steps);
});

function begin(): void {
  busy(true);
  show('notice', null);
  show('error', null);
  for (const id of ['adapter', 'parameters', 'loss', 'validation', 'speed', 'work', 'memory']) put(id, '–');
  progress.value = 0;
  sample.textContent = 'A sample appears when training ends or is stopped.';
  sample.classList.add('empty');
  written = prompt.value;
  chart.begin([]);
  send({
    type: 'train',
    model: model.value,
    device: device.value as 'cpu' | 'webgpu',
    steps: steps.valueAsNumber,
    seed: seed.valueAsNumber,
    prompt: prompt.value,
    text: new URL('moby-dick.txt', document.baseURI).href,
  });
}

function receive(message: WorkerMessage): void {
  switch (message.type) {
    case 'ready':
      choices = message.choices;
      for (const { name, title } of choices) model.add(new Option(`${name}: ${title}`, name));
      model.value = 'gru';
      steps.value = String(choices[model.selectedIndex].steps);
      model.disabled = false;
      busy(false);
      say('Ready.');
      break;
    case 'phase':
      say(phases[message.phase]);
      break;
    case 'device':
      put('adapter', message.device === 'webgpu' ? `WebGPU: ${message.title}` : message.title);
      put('work-name', message.device === 'webgpu' ? 'Dispatches' : 'Kernels run');
      show('notice', message.notice);
      break;
    case 'started':
      put('parameters', count(message.parameters));
      chart.begin(message.floors);
      break;
    case 'progress':
      progress.max = steps.valueAsNumber;
      progress.value = message.step;
      put('loss', `${nats(message.loss)} nats/character`);
      put('speed', `${short(message.charactersPerSecond)} a second`);
      showUsage(message.usage);
      if (!stop.disabled)
        say(`Step ${count(message.step)} of ${count(progress.max)}, ${clock(message.secondsLeft)} left`);
      break;
    case 'point':
      chart.add('training', message.step, message.loss);
      break;
    case 'validated':
      chart.add('held-out', message.step, message.nats);
      put('validation', `${nats(message.nats)} nats/character`);
      break;
    case 'written':
      written += message.text;
      sample.classList.remove('empty');
      sample.textContent = written;
      break;
    case 'done':
      progress.value = message.step;
      put('loss', `${nats(message.loss)} nats/character`);
      chart.end(message.step);
      showUsage(message.usage);
      busy(false);
      say(
        `${message.stopped ? 'Stopped' : 'Done'} after ${count(message.step)} steps in ${clock(message.seconds)}.`,
      );
      break;
    case 'failed':
      fail(message.message);
      break;
  }
}

function showUsage({ work, stepWork, bytes: now, peakBytes }: Usage): void {
  put('work', `${count(work)} (${count(stepWork)} a step)`);
  put('memory', `${bytes(now)} (at most ${bytes(peakBytes)})`);
}

function fail(message: string): void {
  show('error', message);
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
