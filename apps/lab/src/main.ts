import { CommanderError } from 'commander';
import { SeqError } from '@seq/tensor';
import { EXIT, LabError, messageOf } from './errors.js';
import { evaluateCommand } from './evaluate.js';
import { generateCommand } from './generate.js';
import { inspectCommand } from './inspect.js';
import { pageCommand } from './page-command.js';
import { buildProgram } from './program.js';
import type { Actions } from './program.js';
import { recallCommand } from './recall/command.js';
import { runCommand } from './run-command.js';
import { selectionCommand } from './selection/command.js';
import { vanishingCommand } from './vanishing/command.js';

const actions: Actions = {
  compare: (flags) => runCommand('compare', flags),
  train: (model, flags) => runCommand('train', flags, [model]),
  generate: generateCommand,
  inspect: inspectCommand,
  eval: evaluateCommand,
  vanishing: vanishingCommand,
  recall: recallCommand,
  selection: selectionCommand,
  page: pageCommand,
};

/** Runs a command line (without `node` and the script) and returns its exit code; errors go to stderr. */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = buildProgram(actions, (code) => (exitCode = code));
  for (const command of [program, ...program.commands]) command.exitOverride();
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its message; help and version are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    process.stderr.write(`seq-lab: ${messageOf(error)}\n`);
    if (error instanceof LabError) return error.exitCode;
    if (SeqError.is(error, 'format')) return EXIT.input;
    if (!SeqError.is(error) && error instanceof Error && error.stack)
      process.stderr.write(`${error.stack}\n`);
    return EXIT.failed;
  }
}
