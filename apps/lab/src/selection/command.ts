import pc from 'picocolors';
import { EXIT } from '../errors.js';
import type { ExitCode } from '../errors.js';
import { percent } from '../format.js';
import type { TaskFlags } from '../program.js';
import { beginStudy, repeatCommand } from '../study.js';
import { selectionReport, selectionTable } from './report.js';
import { subjects } from './subjects.js';
import { inductionHeads, selectiveCopying, tasks } from './tasks.js';
import { trainSelection } from './train.js';
import type { SelectionResult, SelectionResults, SelectionSettings } from './types.js';

/** About eight minutes, and a few seconds. */
const usual = {
  steps: 1600,
  dModel: 32,
  lengths: { copying: 64, induction: 32 },
  factors: [1, 2, 4, 8],
  tested: 256,
};
const quick = { steps: 40, dModel: 16, lengths: { copying: 16, induction: 16 }, factors: [1, 2], tested: 32 };

/** Shows what a state that selects learns and fixed filters do not; writes results and report, returns the exit code. */
export async function selectionCommand(flags: TaskFlags): Promise<ExitCode> {
  const settings = settingsOf(flags);
  const study = beginStudy(flags);
  study.tell({ type: 'started', settings }, pc.dim(`${settings.steps} steps for each model on each task …`));
  const trained: SelectionResult[] = [];
  for (const task of tasks) {
    study.tell({ type: 'task', task: task.name }, task.title);
    for (const subject of subjects) {
      const result = await trainSelection(task, subject, settings);
      trained.push(result);
      study.tell(
        { type: 'model', ...result },
        `  ${result.title}: ${result.accuracy.map(percent).join(', ')}`,
      );
    }
  }
  const results: SelectionResults = {
    version: 1,
    settings,
    results: trained,
    chance: { copying: selectiveCopying.chance, induction: inductionHeads.chance },
    seconds: study.seconds(),
  };
  const tables = tasks.map((task) => selectionTable(results, task));
  study.end(results, selectionReport(results), tables);
  return EXIT.ok;
}

function settingsOf(flags: TaskFlags): SelectionSettings {
  const { quick: isQuick, steps, seed = 0 } = flags;
  const repeat = repeatCommand('selection', isQuick, { seed: flags.seed, steps });
  return { ...(isQuick ? quick : usual), ...(steps !== undefined && { steps }), seed, repeat };
}
