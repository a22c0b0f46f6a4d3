import pc from 'picocolors';
import { EXIT } from '../errors.js';
import type { ExitCode } from '../errors.js';
import { percent } from '../format.js';
import type { TaskFlags } from '../program.js';
import { beginStudy, repeatCommand } from '../study.js';
import { recallReport, recallTable } from './report.js';
import { subjects } from './subjects.js';
import { chance } from './task.js';
import { trainRecall } from './train.js';
import type { RecallResult, RecallResults, RecallSettings } from './types.js';

/** About two minutes on two cores, and a few seconds. */
const usual = { steps: 600, pairs: [4, 8, 16, 32, 64], sizes: [4, 8, 16, 32], tested: 64 };
const quick = { steps: 60, pairs: [4, 16], sizes: [4, 16], tested: 32 };

/** Measures how many pairs memories hold; writes results and report, returns the exit code. */
export async function recallCommand(flags: TaskFlags): Promise<ExitCode> {
  const settings = settingsOf(flags);
  const study = beginStudy(flags);
  const { steps, pairs } = settings;
  study.tell(
    { type: 'started', settings },
    pc.dim(`Right answers for ${pairs.join(', ')} pairs, after ${steps} steps …`),
  );
  const models: RecallResult[] = [];
  for (const subject of subjects(settings.sizes)) {
    const result = await trainRecall(subject, settings);
    models.push(result);
    study.tell({ type: 'model', ...result }, `  ${result.title}: ${result.accuracy.map(percent).join(', ')}`);
  }
  const results: RecallResults = { version: 1, settings, models, chance, seconds: study.seconds() };
  study.end(results, recallReport(results), [recallTable(results)]);
  return EXIT.ok;
}

function settingsOf(flags: TaskFlags): RecallSettings {
  const { quick: isQuick, steps, seed = 0 } = flags;
  const repeat = repeatCommand('recall', isQuick, { seed: flags.seed, steps });
  return { ...(isQuick ? quick : usual), ...(steps !== undefined && { steps }), seed, repeat };
}
