import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EXIT } from './errors.js';
import { main } from './main.js';

const folder = mkdtempSync(join(tmpdir(), 'seq-lab-main-'));
const text = join(folder, 'text.txt');
writeFileSync(text, 'the whale and the sea and the ship sail on. '.repeat(60));

let out = '';
let errors = '';
beforeEach(() => {
  [out, errors] = ['', ''];
  vi.stubEnv('INIT_CWD', folder);
  vi.spyOn(process.stdout, 'write').mockImplementation((part) => ((out += String(part)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((part) => ((errors += String(part)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

vi.mock('@seq/webgpu-kernels', () => ({
  requestWebGPU: () =>
    Promise.reject(new Error('requestWebGPU: the platform must offer an adapter, it has none.')),
}));

describe('the command line', () => {
  it('explains itself with examples and exit codes', async () => {
    expect(await main(['--help'])).toBe(EXIT.ok);
    for (const word of [
      'compare',
      'train',
      'generate',
      'inspect',
      'eval',
      'vanishing',
      'recall',
      'selection',
      'Examples:',
      'seq-lab generate gru --prompt "The whale"',
      'Exit codes:',
      '130',
    ])
      expect(out).toContain(word);
  });

  it.each(['compare', 'train', 'generate', 'inspect', 'eval', 'vanishing', 'recall', 'selection'])(
    'explains %s',
    async (command) => {
      expect(await main([command, '--help'])).toBe(EXIT.ok);
      expect(out).toContain(`seq-lab ${command}`);
    },
  );

  it.each([
    ['no command', [], 'Usage: seq-lab'],
    ['an unknown command', ['compete'], "unknown command 'compete'"],
    ['an unknown option', ['compare', '--step', '5'], "unknown option '--step'"],
    [
      'an unknown model',
      ['compare', '--models', 'gru,hal'],
      '"hal" is no model. Models: 2-gram, cnn, gru, lstm, mamba, mamba2, s4d, s5, lru, attention, linear-attention, ',
    ],
    ['a model named twice', ['compare', '--models', 'gru,gru'], 'A model is named twice.'],
    ['an unknown model to train', ['train', 'hal'], 'got "hal"'],
    ['no steps', ['compare', '--steps', '0'], 'whole number of at least 1'],
    ['steps that are no number', ['compare', '--steps', 'many'], 'whole number of at least 1'],
    ['no time', ['compare', '--minutes', '0'], 'a number above 0'],
    [
      'steps and minutes',
      ['compare', '--steps', '5', '--minutes', '2'],
      "'--steps <n>' cannot be used with option '--minutes <x>'",
    ],
    ['quiet and json', ['compare', '--quiet', '--json'], "cannot be used with option '--json'"],
    ['a wrong temperature', ['generate', 'gru', '-t', '-1'], 'a number above 0'],
    [
      'greedy and top-k',
      ['generate', 'gru', '--greedy', '--top-k', '5'],
      "cannot be used with option '--top-k <n>'",
    ],
    ['an unknown device', ['compare', '--device', 'tpu'], 'Allowed choices are cpu, webgpu'],
    ['a width for the table', ['train', '2-gram', '--d-model', '8', '--text', text], 'Leave them out'],
    ['heads that do not divide', ['train', 'attention', '--d-model', '7', '--text', text], 'train: '],
    [
      'a length beyond the text',
      ['train', 'gru', '--length', '99999', '--text', text],
      'must be shorter than the training text',
    ],
    ['a distance beyond f64', ['vanishing', '--distance', '500'], 'a whole number from 8 to 300'],
    ['no units', ['vanishing', '--hidden', '1'], 'a whole number from 2 to 256'],
    ['a text for vanishing', ['vanishing', '--text', text], "unknown option '--text'"],
    [
      'quiet and json of vanishing',
      ['vanishing', '--quiet', '--json'],
      "cannot be used with option '--json'",
    ],
    ['two folders', ['compare', '--resume', 'a', '--out', 'b'], 'one folder must be given'],
  ])('answers %s with exit code 2 and says why', async (_, args, message) => {
    expect(await main(args)).toBe(EXIT.usage);
    expect(errors).toContain(message);
  });

  it.each([
    ['a missing text', ['compare', '--text', 'absent.txt'], 'must be readable'],
    ['no run to go on with', ['compare', '--resume'], 'there must be a run to go on with'],
    ['a folder without a run', ['compare', '--resume', '.'], 'without run.json'],
    ['a missing checkpoint', ['generate', 'absent.safetensors'], 'must be a checkpoint file or one of'],
    ['a model that was never trained', ['generate', 'gru'], 'Train it first: seq-lab train gru'],
    ['a text in place of a checkpoint', ['generate', 'text.txt'], 'text.txt'],
    ['a text to inspect', ['inspect', 'text.txt'], 'text.txt'],
  ])('answers %s with exit code 3 and says why', async (_, args, message) => {
    expect(await main(args)).toBe(EXIT.input);
    expect(errors).toContain(message);
  });

  it.each(['compare', 'eval gru', 'generate gru'])(
    'passes on why %s has no WebGPU, with exit code 4',
    async (command) => {
      expect(await main([...command.split(' '), '--device', 'webgpu'])).toBe(EXIT.device);
      expect(errors).toContain('--device webgpu: requestWebGPU: the platform must offer an adapter');
    },
  );
});

describe('inspect', () => {
  it('shows parameters, costs and kernels of a recipe', async () => {
    expect(await main(['inspect', 'gru', '--vocabulary', '20', '--batch', '2', '--length', '8'])).toBe(
      EXIT.ok,
    );
    for (const part of [
      'A recipe, not trained yet',
      'blocks.0.mixer',
      'memory of a training step, peak',
      'Training step, most work first',
    ])
      expect(out).toContain(part);
  });

  it('counts what the model says itself', async () => {
    expect(await main(['inspect', 'lstm', '--vocabulary', '20', '--json'])).toBe(EXIT.ok);
    const { costs, parameters, recipe } = JSON.parse(out) as {
      costs: { params: number; trainFlops: number };
      parameters: { size: number }[];
      recipe: { batch: number; length: number };
    };
    expect(parameters.reduce((n, { size }) => n + size, 0)).toBe(costs.params);
    // Forward and backward are at least six operations per parameter of a product and character; the embedding has none.
    expect(costs.trainFlops).toBeGreaterThan(4 * costs.params * recipe.batch * recipe.length);
  });
});

describe('train, generate, eval', () => {
  it('train writes a checkpoint that generate and eval read', async () => {
    expect(
      await main([
        'train',
        'gru',
        '--text',
        text,
        '--steps',
        '3',
        '--d-model',
        '8',
        '--batch',
        '2',
        '--length',
        '16',
        '--out',
        'one',
        '--quiet',
      ]),
    ).toBe(EXIT.ok);
    expect(out).toContain('gru');
    const report = readFileSync(join(folder, 'one', 'report.html'), 'utf8');
    expect(report).toContain('--steps 3 --d-model 8 --batch 2 --length 16</code>');
    const results = JSON.parse(readFileSync(join(folder, 'one', 'results.json'), 'utf8')) as {
      models: { validation: number }[];
    };

    out = '';
    expect(await main(['eval', 'one/gru.safetensors', '--json'])).toBe(EXIT.ok);
    expect((JSON.parse(out) as { validation: number }).validation).toBe(results.models[0].validation);

    const write = async (...more: string[]): Promise<string> => {
      out = '';
      expect(await main(['generate', 'one/gru.safetensors', '--prompt', 'the ', '-n', '20', ...more])).toBe(
        EXIT.ok,
      );
      return out;
    };
    const once = await write('--seed', '1');
    expect([...once]).toHaveLength('the '.length + 20 + 1);
    expect(await write('--seed', '1')).toBe(once);
    expect(await write('--greedy', '--seed', '1')).toBe(await write('--greedy', '--seed', '2'));
    expect((await write('--stop', once[4], '--seed', '1')).trimEnd()).toBe(once.slice(0, 5).trimEnd());

    await write('--prompt', 'the ☃');
    expect(errors).toContain('the model does not know "☃"');
  });

  it('goes on with the device that a run began with', async () => {
    expect(await main(['compare', '--resume', 'one', '--device', 'webgpu'])).toBe(EXIT.usage);
    expect(errors).toContain('the run began with --device cpu and goes on with it, got --device webgpu');
    const file = join(folder, 'one', 'run.json');
    const before = readFileSync(file, 'utf8');
    expect(JSON.parse(before)).toMatchObject({ device: 'cpu' });
    writeFileSync(file, before.replace('"device": "cpu"', '"device": "webgpu"'));
    expect(await main(['compare', '--resume', 'one'])).toBe(EXIT.device);
    writeFileSync(file, before);
  });

  it('refuses to write over a run', async () => {
    expect(await main(['train', 'gru', '--text', text, '--steps', '3', '--out', 'one'])).toBe(EXIT.usage);
    expect(errors).toContain('must not hold a run yet');
  });
});

describe('vanishing', () => {
  const small = ['vanishing', '--quick', '--hidden', '4', '--draws', '1', '--steps', '3', '--distance', '12'];

  it('writes results and report, and tells the same as JSON', async () => {
    expect(await main([...small, '--out', 'gone', '--seed', '5', '--json'])).toBe(EXIT.ok);
    const events = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; decay: unknown; settings: object });
    expect(events.filter(({ type }) => type === 'decay')).toHaveLength(10);
    expect(events.filter(({ type }) => type === 'remedy')).toHaveLength(7);
    const written = JSON.parse(readFileSync(join(folder, 'gone', 'results.json'), 'utf8')) as object;
    expect(events.at(-1)).toEqual({ type: 'results', folder: expect.any(String) as string, ...written });
    expect(events.at(-1)?.settings).toMatchObject({
      seed: 5,
      hidden: 4,
      draws: 1,
      length: 20,
      steps: 3,
      distance: 12,
    });
    expect(readFileSync(join(folder, 'gone', 'report.html'), 'utf8')).toContain(
      'vanishing --quick --seed 5 --distance 12 --hidden 4 --draws 1 --steps 3</code>',
    );

    expect(await main([...small, '--out', 'gone'])).toBe(EXIT.usage);
    expect(errors).toContain('--out: the folder must not hold results yet, got gone with results.json');
  });

  it('prints both tables', async () => {
    expect(await main([...small, '--out', 'quiet', '--quiet'])).toBe(EXIT.ok);
    for (const part of [
      'How far gradients reach',
      'LSTM, forget bias 3',
      'The adding problem',
      'IRNN, clipped',
      'report.html',
    ])
      expect(out).toContain(part);
    expect(out).not.toContain('…');
  });
});
