import { Command, Option } from 'commander';
import type { DeviceName } from './device.js';
import { modelList, numberBetween, promptText, wholeNumber } from './arguments.js';
import { comparedNames, recipeNames, recipeTitle } from './recipes.js';

/** Options of `compare` and `train`. */
export interface RunFlags {
  readonly text?: string;
  readonly models?: string[];
  readonly seed?: number;
  readonly steps?: number;
  readonly minutes?: number;
  readonly prompt?: string;
  readonly out?: string;
  readonly resume?: string | true;
  readonly jobs?: number;
  /** The CPU, or what a resumed run began with. */
  readonly device?: DeviceName;
  readonly quiet?: true;
  readonly json?: true;
  readonly dModel?: number;
  readonly layers?: number;
  readonly batch?: number;
  readonly length?: number;
  readonly learningRate?: number;
}

/** Options of `generate`. */
export interface GenerateFlags {
  readonly prompt: string;
  readonly characters: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly greedy?: true;
  readonly stop?: string;
  readonly seed: number;
  readonly device: DeviceName;
}

/** Options of `inspect`. */
export interface InspectFlags {
  readonly batch?: number;
  readonly length?: number;
  readonly vocabulary?: number;
  readonly json?: true;
}

/** Options of `eval`. */
export interface EvalFlags {
  readonly text?: string;
  readonly device: DeviceName;
  readonly json?: true;
}

/** Options of `vanishing`. */
export interface VanishingFlags {
  readonly seed?: number;
  readonly quick?: true;
  readonly distance?: number;
  readonly hidden?: number;
  readonly draws?: number;
  readonly length?: number;
  readonly steps?: number;
  readonly out?: string;
  readonly quiet?: true;
  readonly json?: true;
}

/** Options of `recall` and of `selection`. */
export interface TaskFlags {
  readonly seed?: number;
  readonly quick?: true;
  readonly steps?: number;
  readonly out?: string;
  readonly quiet?: true;
  readonly json?: true;
}

/** Options of `page`. */
export interface PageFlags {
  readonly port: number;
}

/** What the commands do; each returns the exit code. */
export interface Actions {
  compare(flags: RunFlags): Promise<number>;
  train(model: string, flags: RunFlags): Promise<number>;
  generate(model: string, flags: GenerateFlags): Promise<number>;
  inspect(model: string, flags: InspectFlags): Promise<number>;
  eval(model: string, flags: EvalFlags): Promise<number>;
  vanishing(flags: VanishingFlags): Promise<number>;
  recall(flags: TaskFlags): Promise<number>;
  selection(flags: TaskFlags): Promise<number>;
  page(flags: PageFlags): Promise<number>;
}

const exitCodes = `
Exit codes:
  0    done
  1    something failed
  2    a wrong command, argument or option
  3    a text, checkpoint or run folder that cannot be used
  4    a device that is not there
  130  interrupted by Ctrl-C, everything saved (143: by SIGTERM)`;

/** The command line; `done` receives the exit code of the command that ran. */
export function buildProgram(actions: Actions, done: (exitCode: number) => void): Command {
  const program = new Command('seq-lab')
    .description('Train sequence models on a text, side by side; see what each costs and what each writes.')
    .showHelpAfterError('(--help explains the options)')
    .addHelpText(
      'after',
      `
Examples:
  seq-lab compare                          models side by side on Moby-Dick, under five minutes on two cores
  seq-lab compare --models gru,attention --text notes.txt
  seq-lab train lstm --d-model 192 --minutes 10
  seq-lab generate gru --prompt "The whale" --temperature 0.7
  seq-lab inspect attention --length 256   what a model costs, before it is trained
  seq-lab eval runs/2026-11-22-2054/lstm.safetensors
  seq-lab vanishing                        how far gradients reach, and what helps when they do not
  seq-lab recall                           how many pairs a memory of d × d holds, beside attention
  seq-lab selection                        what a state that chooses learns and fixed filters do not
  seq-lab page                             train in the browser
${exitCodes}`,
    );

  runOptions(
    program
      .command('compare')
      .summary('train several models on one text and compare them')
      .description(
        'Trains several models on one text, two or more at a time, and compares them: loss on held-out text beside n-gram floors, memory, FLOPs, samples.\n' +
          'Writes results.json, report.html and a checkpoint of each model into one folder.\n\nModels:\n' +
          recipeNames.map((name) => `  ${name.padEnd(18)}${recipeTitle(name)}`).join('\n'),
      )
      .addOption(
        new Option(
          '-m, --models <names>',
          `which models, separated by commas (default: ${comparedNames.join(', ')})`,
        ).argParser(modelList),
      ),
  )
    .addHelpText(
      'after',
      `
Examples:
  seq-lab compare --minutes 1              a quick look
  seq-lab compare --text notes.txt --out runs/notes
  seq-lab compare --resume                 go on with the run that was interrupted last
  seq-lab compare --json > events.jsonl    one event a line, the results last

Ctrl-C saves every model and prints the command that goes on; a second Ctrl-C ends at once.
${exitCodes}`,
    )
    .action(async (flags: RunFlags) => done(await actions.compare(flags)));

  runOptions(
    program
      .command('train')
      .summary('train one model, with sizes of your own')
      .description('Trains one model on a text. Like compare with one model, and its sizes can be changed.')
      .argument('<model>', `one of ${recipeNames.join(', ')}`)
      .addOption(new Option('--d-model <n>', 'width of the model').argParser(wholeNumber(1)))
      .addOption(new Option('--layers <n>', 'how many mixers in a row').argParser(wholeNumber(1)))
      .addOption(new Option('--batch <n>', 'sequences in a training step').argParser(wholeNumber(1)))
      .addOption(new Option('--length <n>', 'characters of each sequence').argParser(wholeNumber(2)))
      .addOption(
        new Option('--learning-rate <x>', 'peak learning rate of AdamW').argParser(numberBetween(0, 10)),
      ),
  ).action(async (model: string, flags: RunFlags) => done(await actions.train(model, flags)));

  program
    .command('generate')
    .summary('let a trained model write')
    .description('Writes text with a trained model, character by character, as it is generated.')
    .argument('<model>', 'a checkpoint file, or the name of a model in the latest run')
    .addOption(
      new Option('-p, --prompt <text>', 'what the text begins with; \\n is a new line')
        .argParser(promptText)
        .default('The '),
    )
    .addOption(
      new Option('-n, --characters <n>', 'how many characters to write')
        .argParser(wholeNumber(1))
        .default(500),
    )
    .addOption(
      new Option('-t, --temperature <x>', 'below 1 safer, above 1 wilder')
        .argParser(numberBetween(0, 100))
        .default(0.8),
    )
    .addOption(new Option('--top-k <n>', 'choose among the n likeliest characters').argParser(wholeNumber(1)))
    .addOption(
      new Option('--top-p <x>', 'choose among the likeliest characters that hold this share').argParser(
        numberBetween(0, 1),
      ),
    )
    .addOption(new Option('--greedy', 'always the likeliest character').conflicts(['topK', 'topP']))
    .addOption(new Option('--stop <text>', 'end after this text appears').argParser(promptText))
    .addOption(
      new Option('-s, --seed <n>', 'another seed, another text').argParser(wholeNumber(0)).default(0),
    )
    .addOption(deviceOption().default('cpu'))
    .action(async (model: string, flags: GenerateFlags) => done(await actions.generate(model, flags)));

  program
    .command('inspect')
    .summary('show the parts and the costs of a model')
    .description(
      'Shows the parameters of a model and what a training step and a generated character cost, from the compiled plans.',
    )
    .argument('<model>', `a checkpoint file, or one of ${recipeNames.join(', ')}`)
    .addOption(new Option('--batch <n>', 'sequences in a training step').argParser(wholeNumber(1)))
    .addOption(new Option('--length <n>', 'characters of each sequence').argParser(wholeNumber(2)))
    .addOption(
      new Option(
        '--vocabulary <n>',
        'symbols of the vocabulary (default: that of the checkpoint, or of Moby-Dick)',
      ).argParser(wholeNumber(2)),
    )
    .option('--json', 'print JSON')
    .action(async (model: string, flags: InspectFlags) => done(await actions.inspect(model, flags)));

  program
    .command('eval')
    .summary('measure a trained model on held-out text')
    .description('Measures a trained model over a whole validation split, beside the n-gram floors.')
    .argument('<model>', 'a checkpoint file, or the name of a model in the latest run')
    .addOption(
      new Option('--text <file>', 'the text whose last tenth to read (default: the one it was trained on)'),
    )
    .addOption(deviceOption().default('cpu'))
    .option('--json', 'print JSON')
    .action(async (model: string, flags: EvalFlags) => done(await actions.eval(model, flags)));

  program
    .command('vanishing')
    .summary('measure how far gradients reach, and what helps')
    .description(
      'Measures the norm of dh_T/dh_t over the distance T − t for Elman, GRU and LSTM, with the slope beside its theory,\n' +
        'and trains on the adding problem with remedies: clipping, initialisation, gating. Needs no text.\n' +
        'Writes results.json and report.html. About two minutes on two cores.',
    )
    .addOption(
      new Option('-s, --seed <n>', 'seed of everything random (default: 0)').argParser(wholeNumber(0)),
    )
    .option('--quick', 'smaller in everything: a few seconds')
    .addOption(
      new Option('--distance <n>', 'largest distance T − t (default: 100)').argParser(wholeNumber(8, 300)),
    )
    .addOption(
      new Option('--hidden <n>', 'units of every model (default: 32)').argParser(wholeNumber(2, 256)),
    )
    .addOption(
      new Option('--draws <n>', 'draws of weights and inputs to average (default: 6)').argParser(
        wholeNumber(1),
      ),
    )
    .addOption(
      new Option('--length <n>', 'positions of the adding problem (default: 40)').argParser(wholeNumber(4)),
    )
    .addOption(
      new Option('--steps <n>', 'training steps on the adding problem (default: 600)').argParser(
        wholeNumber(1),
      ),
    )
    .addOption(new Option('-o, --out <folder>', 'where to write (default: runs/<date and time>)'))
    .addOption(new Option('-q, --quiet', 'print the tables alone').conflicts('json'))
    .addOption(new Option('--json', 'print events and results as JSON, one a line'))
    .action(async (flags: VanishingFlags) => done(await actions.vanishing(flags)));

  program
    .command('recall')
    .summary('measure how many pairs a matrix memory holds')
    .description(
      'Trains delta rules and linear attention with memories of d × d, and attention, on associative recall: pairs of a key\n' +
        'and a value, then every key again. Shows the share of right answers over the number of pairs. Needs no text.\n' +
        'Writes results.json and report.html. About two minutes on two cores.',
    )
    .addOption(
      new Option('-s, --seed <n>', 'seed of everything random (default: 0)').argParser(wholeNumber(0)),
    )
    .option('--quick', 'fewer sizes, pairs and steps: a few seconds')
    .addOption(
      new Option('--steps <n>', 'training steps of each model (default: 600)').argParser(wholeNumber(1)),
    )
    .addOption(new Option('-o, --out <folder>', 'where to write (default: runs/<date and time>)'))
    .addOption(new Option('-q, --quiet', 'print the table alone').conflicts('json'))
    .addOption(new Option('--json', 'print events and results as JSON, one a line'))
    .action(async (flags: TaskFlags) => done(await actions.recall(flags)));

  program
    .command('selection')
    .summary('measure what a state that chooses what it keeps can learn')
    .description(
      'Trains S4D, S5, LRU, Mamba, Mamba-2 and attention on selective copying and on induction heads, where what must be kept\n' +
        'depends on the input. Shows training curves, and right answers on longer sequences. Needs no text.\n' +
        'Writes results.json and report.html. About eight minutes.',
    )
    .addOption(
      new Option('-s, --seed <n>', 'seed of everything random (default: 0)').argParser(wholeNumber(0)),
    )
    .option('--quick', 'smaller models and fewer steps, too few to learn: a few seconds')
    .addOption(
      new Option('--steps <n>', 'training steps of each model on each task (default: 1600)').argParser(
        wholeNumber(1),
      ),
    )
    .addOption(new Option('-o, --out <folder>', 'where to write (default: runs/<date and time>)'))
    .addOption(new Option('-q, --quiet', 'print the tables alone').conflicts('json'))
    .addOption(new Option('--json', 'print events and results as JSON, one a line'))
    .action(async (flags: TaskFlags) => done(await actions.selection(flags)));

  program
    .command('page')
    .summary('serve the lab as a page that trains in the browser')
    .description(
      'Serves a page that trains a model in the browser, on its WebGPU or, without one, on the CPU.\n' +
        'For this machine alone; nothing leaves the browser. Ctrl-C ends it.',
    )
    .addOption(
      new Option('--port <n>', 'where to listen; 0 for any that is free')
        .argParser(wholeNumber(0, 65_535))
        .default(4173),
    )
    .action(async (flags: PageFlags) => done(await actions.page(flags)));

  return program;
}

function deviceOption(): Option {
  return new Option(
    '--device <name>',
    'what computes; a WebGPU adapter that is a program is slower than the CPU',
  ).choices(['cpu', 'webgpu']);
}

/** The options that `compare` and `train` share. */
function runOptions(command: Command): Command {
  return command
    .addOption(new Option('--text <file>', 'a text of your own, UTF-8 (default: Moby-Dick)'))
    .addOption(
      new Option('-s, --seed <n>', 'seed of everything random (default: 0)').argParser(wholeNumber(0)),
    )
    .addOption(
      new Option('--steps <n>', 'training steps of every model')
        .argParser(wholeNumber(1))
        .conflicts('minutes'),
    )
    .addOption(
      new Option('--minutes <x>', 'about how long on two cores: scales the steps of the recipes').argParser(
        numberBetween(0, 10_000),
      ),
    )
    .addOption(new Option('-p, --prompt <text>', 'what the samples begin with').argParser(promptText))
    .addOption(new Option('-o, --out <folder>', 'where to write (default: runs/<date and time>)'))
    .addOption(new Option('--resume [folder]', 'go on with a run (default: the latest under runs/)'))
    .addOption(
      new Option(
        '-j, --jobs <n>',
        'models trained side by side (default: as many as there are cores; 1 on WebGPU)',
      ).argParser(wholeNumber(1)),
    )
    .addOption(deviceOption())
    .addOption(new Option('-q, --quiet', 'print the tables alone').conflicts('json'))
    .addOption(new Option('--json', 'print events and results as JSON, one a line'));
}
