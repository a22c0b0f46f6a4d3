import { join } from 'node:path';
import pc from 'picocolors';
import { EXIT } from '../errors.js';
import type { ExitCode } from '../errors.js';
import { createResultFolder } from '../result-folder.js';
import { selfCommand, shortPath } from '../run-command.js';
import type { VanishingFlags } from '../program.js';
import { writeWhole } from '../runfolder.js';
import { columns, formatTable } from '../table.js';
import { baseline, remedies, trainRemedy } from './adding.js';
import { measureDecay } from './measure.js';
import { vanishingReport } from './report.js';
import { subjects } from './subjects.js';
import { decayTable, remedyTable, signed } from './tables.js';
import type { Table } from './tables.js';
import type { DecayResult, RemedyResult, VanishingResults, VanishingSettings } from './types.js';

/** About two minutes on two cores, and a few seconds. */
const usual = { distance: 100, hidden: 32, draws: 6, length: 40, steps: 600 };
const quick = { distance: 40, hidden: 16, draws: 2, length: 20, steps: 60 };

/** Measures how far gradients reach and what helps; writes results and report, returns the exit code. */
export async function vanishingCommand(flags: VanishingFlags): Promise<ExitCode> {
  const settings = settingsOf(flags);
  const folder = createResultFolder(flags.out);
  const talks = !flags.quiet && !flags.json;
  const tell = (event: object, line: string): void => {
    if (flags.json) process.stdout.write(`${JSON.stringify(event)}\n`);
    else if (talks) process.stdout.write(`${line}\n`);
  };
  const began = performance.now();

  const decay: DecayResult[] = [];
  tell({ type: 'started', settings }, pc.dim(`Jacobians over ${settings.distance} positions …`));
  for (const subject of subjects) {
    const result = await measureDecay(subject, settings);
    decay.push(result);
    tell({ type: 'decay', ...result }, `  ${result.title}: ${signed(result.slope)} nats per step`);
  }
  const trained: RemedyResult[] = [];
  tell({ type: 'remedies' }, pc.dim(`The adding problem, ${settings.length} positions …`));
  for (const remedy of remedies) {
    const result = await trainRemedy(remedy, settings);
    trained.push(result);
    tell({ type: 'remedy', ...result }, `  ${result.title}: ${result.test?.toPrecision(2) ?? 'no number'}`);
  }

  const results: VanishingResults = {
    version: 1,
    settings,
    decay,
    remedies: trained,
    baseline,
    seconds: (performance.now() - began) / 1000,
  };
  writeWhole(join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeWhole(join(folder, 'report.html'), vanishingReport(results));
  const shown = shortPath(folder);
  if (flags.json) process.stdout.write(`${JSON.stringify({ type: 'results', folder: shown, ...results })}\n`);
  else
    process.stdout.write(
      `\n${table(decayTable(decay))}\n\n${table(remedyTable(results))}\n\nReport: ${join(shown, 'report.html')}\n`,
    );
  return EXIT.ok;
}

function settingsOf(flags: VanishingFlags): VanishingSettings {
  const preset = flags.quick ? quick : usual;
  const sizes = Object.fromEntries(
    Object.entries(preset).map(([name, value]) => [name, flags[name as keyof typeof preset] ?? value]),
  ) as typeof preset;
  const given = ['seed', ...Object.keys(preset)].flatMap((name) => {
    const value = flags[name as 'seed' | keyof typeof preset];
    return value === undefined ? [] : [`--${name} ${value}`];
  });
  const words = [...(flags.quick ? ['--quick'] : []), ...given].map((word) => ` ${word}`).join('');
  return { seed: flags.seed ?? 0, ...sizes, repeat: `${selfCommand()} vanishing${words}` };
}

function table({ head, rows }: Table): string {
  return formatTable(columns(...head), rows);
}
