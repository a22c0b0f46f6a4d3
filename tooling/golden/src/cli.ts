import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadKernels } from '@seq/tensor/engine';
import { testDevices } from '@seq/testing/golden';
import { adapters, flashAdapters } from './adapters/index.js';
import { findCases } from './find.js';
import { line, runCase, tally } from './runner.js';
import type { CaseResult } from './runner.js';

const help = `pnpm golden [--dir DIR] [--family a,b] [--device cpu|webgpu] [--json FILE]

Compares the library with numbers that independent implementations computed in float64.

  --dir DIR      folder of <family>/<case>.safetensors; default the cases of this repository
  --family a,b   only these families
  --device NAME  cpu (default; float64 and float32) or webgpu (float32)
  --json FILE    also write every comparison to FILE

A line per case. Those of softmax attention run twice, composed and through flashAttention. The last line is "golden: N passed, N failed, N unsupported".
Exit code 0 when none failed, 1 when some did, 2 when the command could not be carried out.`;

/** Folder of the cases that belong to the repository. */
export const ownCases: string = fileURLToPath(new URL('../data', import.meta.url));

/** Runs the command; answers with its exit code. */
export async function main(args: readonly string[], print: (line: string) => void): Promise<number> {
  try {
    return await run(args, print);
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    return 2;
  }
}

async function run(args: readonly string[], print: (line: string) => void): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: args.filter((a) => a !== '--'),
    options: { dir: text, family: text, device: text, json: text, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    print(help);
    return 0;
  }
  const kind = values.device ?? 'cpu';
  const on = testDevices().find((d) => d.kind === kind);
  if (!on) throw new Error(`--device: must be cpu or webgpu, got ${kind}. Leave it out for cpu.`);
  if (!on.device) throw new Error(`--device: ${kind} is not there: ${on.reason}. Use --device cpu.`);
  if (kind !== 'cpu') await loadKernels();

  const dir = values.dir ?? ownCases;
  const all = findCases(dir);
  const families = values.family
    ?.split(',')
    .map((f) => f.trim())
    .filter((f) => f !== '');
  for (const family of families ?? [])
    if (!all.some((c) => c.family === family))
      throw new Error(
        `--family: must name families of ${dir}, got ${family}. They are ${[...new Set(all.map((c) => c.family))].join(', ') || 'none'}.`,
      );
  const chosen = families ? all.filter((c) => families.includes(c.family)) : all;
  if (chosen.length === 0)
    throw new Error(
      `--dir: must hold cases, got none in ${dir}. Name a folder of <family>/<case>.safetensors.`,
    );

  const precisions = on.dtypes.filter((d) => d === 'f64' || d === 'f32');
  const results: CaseResult[] = [];
  for (const file of chosen) {
    const result = await runCase(file, { device: on.device, precisions, adapters, flash: flashAdapters });
    results.push(result);
    print(line(result));
  }
  const counts = tally(results);
  if (values.json)
    writeFileSync(
      values.json,
      `${JSON.stringify({ dir, device: kind, ...counts, cases: results }, null, 1)}\n`,
    );
  const twice = results.filter(({ comparisons }) => comparisons.some((c) => c.flash));
  if (twice.length > 0) {
    const passed = twice.filter(({ comparisons }) => comparisons.every((c) => c.passed || !c.flash));
    print(`through flashAttention: ${passed.length} of ${twice.length} passed`);
  }
  print(`golden: ${counts.passed} passed, ${counts.failed} failed, ${counts.unsupported} unsupported`);
  return counts.failed > 0 ? 1 : 0;
}
