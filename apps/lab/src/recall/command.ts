import pc from 'picocolors';
import { EXIT } from '../errors.js';
import type { ExitCode } from '../errors.js';
import type { RecallFlags } from '../program.js';
import { selfCommand } from '../run-command.js';
import { beginStudy } from '../study.js';
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

function settingsOf({ quick: isQuick, steps, seed }: RecallFlags): RecallSettings {
  const given = Object.entries({ seed, steps }).flatMap(([name, value]) =>
    value === undefined ? [] : [` --${name} ${value}`],
  );
  const repeat = `${selfCommand()} recall${isQuick ? ' --quick' : ''}${given.join('')}`;
  return { ...(isQuick ? quick : usual), ...(steps !== undefined && { steps }), seed: seed ?? 0, repeat };
}
