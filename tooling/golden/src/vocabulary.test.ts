import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeCases } from './case-writer.js';
import { main } from './cli.js';
import { activationCases } from './vocabulary/activations.js';
import { blockCases } from './vocabulary/blocks.js';
import { attentionCases } from './vocabulary/attention.js';
import { convCases } from './vocabulary/conv.js';
import { conv1dCases } from './vocabulary/conv1d.js';
import { crossEntropyCases } from './vocabulary/cross-entropy.js';
import { gatedNormCases } from './vocabulary/gated-norm.js';
import { normCases } from './vocabulary/norms.js';
import { optimCases } from './vocabulary/optim.js';
import { recurrentCases } from './vocabulary/recurrent.js';
import { ropeCases } from './vocabulary/rope.js';
import { selectiveScanCases } from './vocabulary/selective-scan.js';

// Options that the cases of the repository do not use, computed by formulas written out in loops.
test.each([
  ['activations', activationCases],
  ['attention', attentionCases],
  ['norms', normCases],
  ['recurrent', recurrentCases],
  ['rope', ropeCases],
  ['causal_conv1d', convCases],
  ['conv1d', conv1dCases],
  ['rmsnorm_gated', gatedNormCases],
  ['cross_entropy', crossEntropyCases],
  ['gpt_block and llama_block', blockCases],
  ['optim', optimCases],
  ['mamba1_selective_scan', selectiveScanCases],
])('the whole vocabulary of %s is honoured', async (_, recipes) => {
  const dir = mkdtempSync(join(tmpdir(), 'golden-'));
  try {
    writeCases(dir, recipes);
    const lines: string[] = [];
    await main(['--dir', dir], (line) => lines.push(line));
    const twice = lines.filter((l) => l.includes('flash f64')).length;
    expect(lines.filter((l) => !l.startsWith('ok'))).toEqual([
      ...(twice > 0 ? [`through flashAttention: ${twice} of ${twice} passed`] : []),
      `golden: ${recipes.length} passed, 0 failed, 0 unsupported`,
    ]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
