import { join } from 'node:path';
import pc from 'picocolors';
import { EXIT } from '../errors.js';
import type { ExitCode } from '../errors.js';
import type { SelectionFlags } from '../program.js';
import { createResultFolder } from '../result-folder.js';
import { selfCommand, shortPath } from '../run-command.js';
import { writeWhole } from '../runfolder.js';
import { columns, formatTable } from '../table.js';
import { percent, selectionReport, selectionTable } from './report.js';
import { subjects } from './subjects.js';
import { inductionHeads, selectiveCopying, tasks } from './tasks.js';
import { trainSelection } from './train.js';
import type { SelectionResult, SelectionResults, SelectionSettings } from './types.js';

/** Some minutes, and some seconds. */
const usual = {
  steps: 1600,
  dModel: 32,
  lengths: { copying: 64, induction: 32 },
  factors: [1, 2, 4, 8],
  tested: 256,
};
const quick = { steps: 40, dModel: 16, lengths: { copying: 16, induction: 16 }, factors: [1, 2], tested: 32 };

/** Shows what a state that selects learns and fixed filters do not; writes results and report, returns the exit code. */
export async function selectionCommand(flags: SelectionFlags): Promise<ExitCode> {
  const settings = settingsOf(flags);
  const folder = createResultFolder(flags.out);
  const talks = !flags.quiet && !flags.json;
  const tell = (event: object, line: string): void => {
    if (flags.json) process.stdout.write(`${JSON.stringify(event)}\n`);
    else if (talks) process.stdout.write(`${line}\n`);
  };
  const began = performance.now();
  tell({ type: 'started', settings }, pc.dim(`${settings.steps} steps for each model on each task …`));
  const trained: SelectionResult[] = [];
  for (const task of tasks) {
    tell({ type: 'task', task: task.name }, task.title);
    for (const subject of subjects) {
      const result = await trainSelection(task, subject, settings);
      trained.push(result);
      tell({ type: 'model', ...result }, `  ${result.title}: ${result.accuracy.map(percent).join(', ')}`);
    }
  }
  const results: SelectionResults = {
    version: 1,
    settings,
    results: trained,
    chance: { copying: selectiveCopying.chance, induction: inductionHeads.chance },
    seconds: (performance.now() - began) / 1000,
  };
  writeWhole(join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeWhole(join(folder, 'report.html'), selectionReport(results));
  const shown = shortPath(folder);
  if (flags.json) process.stdout.write(`${JSON.stringify({ type: 'results', folder: shown, ...results })}\n`);
  else {
    const tables = tasks.map((task) => {
      const { head, rows } = selectionTable(results, task);
      return formatTable(columns(...head), rows);
    });
    process.stdout.write(`\n${tables.join('\n\n')}\n\nReport: ${join(shown, 'report.html')}\n`);
  }
  return EXIT.ok;
}

function settingsOf({ quick: isQuick, steps, seed }: SelectionFlags): SelectionSettings {
  const given = Object.entries({ seed, steps }).flatMap(([name, value]) =>
    value === undefined ? [] : [` --${name} ${value}`],
  );
  const repeat = `${selfCommand()} selection${isQuick ? ' --quick' : ''}${given.join('')}`;
  return { ...(isQuick ? quick : usual), ...(steps !== undefined && { steps }), seed: seed ?? 0, repeat };
}
