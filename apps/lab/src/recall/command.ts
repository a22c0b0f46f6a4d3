import { join } from 'node:path';
import pc from 'picocolors';
import { EXIT } from '../errors.js';
import type { ExitCode } from '../errors.js';
import type { RecallFlags } from '../program.js';
import { createResultFolder } from '../result-folder.js';
import { selfCommand, shortPath } from '../run-command.js';
import { writeWhole } from '../runfolder.js';
import { columns, formatTable } from '../table.js';
import { percent, recallReport, recallTable } from './report.js';
import { subjects } from './subjects.js';
import { chance } from './task.js';
import { trainRecall } from './train.js';
import type { RecallResult, RecallResults, RecallSettings } from './types.js';

/** About two minutes on two cores, and a few seconds. */
const usual = { steps: 600, pairs: [4, 8, 16, 32, 64], sizes: [4, 8, 16, 32], tested: 64 };
const quick = { steps: 60, pairs: [4, 16], sizes: [4, 16], tested: 32 };

/** Measures how many pairs memories hold; writes results and report, returns the exit code. */
export async function recallCommand(flags: RecallFlags): Promise<ExitCode> {
  const settings = settingsOf(flags);
  const folder = createResultFolder(flags.out);
  const talks = !flags.quiet && !flags.json;
  const tell = (event: object, line: string): void => {
    if (flags.json) process.stdout.write(`${JSON.stringify(event)}\n`);
    else if (talks) process.stdout.write(`${line}\n`);
  };
  const began = performance.now();
  const { steps, pairs } = settings;
  tell(
    { type: 'started', settings },
    pc.dim(`Right answers for ${pairs.join(', ')} pairs, after ${steps} steps …`),
  );
  const models: RecallResult[] = [];
  for (const subject of subjects(settings.sizes)) {
    const result = await trainRecall(subject, settings);
    models.push(result);
    tell({ type: 'model', ...result }, `  ${result.title}: ${result.accuracy.map(percent).join(', ')}`);
  }
  const results: RecallResults = {
    version: 1,
    settings,
    models,
    chance,
    seconds: (performance.now() - began) / 1000,
  };
  writeWhole(join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeWhole(join(folder, 'report.html'), recallReport(results));
  const shown = shortPath(folder);
  const { head, rows } = recallTable(results);
  if (flags.json) process.stdout.write(`${JSON.stringify({ type: 'results', folder: shown, ...results })}\n`);
  else
    process.stdout.write(
      `\n${formatTable(columns(...head), rows)}\n\nReport: ${join(shown, 'report.html')}\n`,
    );
  return EXIT.ok;
}

function settingsOf({ quick: isQuick, steps, seed }: RecallFlags): RecallSettings {
  const given = Object.entries({ seed, steps }).flatMap(([name, value]) =>
    value === undefined ? [] : [` --${name} ${value}`],
  );
  const repeat = `${selfCommand()} recall${isQuick ? ' --quick' : ''}${given.join('')}`;
  return { ...(isQuick ? quick : usual), ...(steps !== undefined && { steps }), seed: seed ?? 0, repeat };
}
