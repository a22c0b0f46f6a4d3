import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle, judgeBundle, packageOfCase, proveBundle, sourceName, title } from './bundle.js';
import type { Bundle, BundleCase } from './bundle.js';
import { cleanProject } from './project.js';
import type { Project } from './project.js';

let project: Project;

/** A package that shakes well, and one whose index drags everything along. */
beforeAll(() => {
  project = cleanProject();
  const install = (name: string, sideEffects: boolean): void => {
    const folder = `node_modules/@seq/${name}`;
    const exports = { '.': './dist/index.js', './one': './dist/one.js', './lazy': './dist/lazy.js' };
    project.write(`${folder}/package.json`, JSON.stringify({ type: 'module', sideEffects, exports }));
    project.write(`${folder}/dist/index.js`, `export * from './one.js';\nexport * from './two.js';\n`);
    project.write(`${folder}/dist/one.js`, `export const one = () => 'just one';\n`);
    project.write(`${folder}/dist/lazy.js`, `export const lazy = () => import('./three.js');\n`);
    project.write(`${folder}/dist/three.js`, `export const three = 'just three';\n`);
    project.write(
      `${folder}/dist/two.js`,
      `globalThis.list?.push('two');\nexport const two = () => 'just two';\n`,
    );
  };
  install('clean', false);
  install('clinging', true);
});
afterAll(() => project.remove());

const prove = async (wanted: BundleCase): Promise<[string, string]> => {
  const notes: string[] = [];
  const findings = await proveBundle(project, wanted, (text) => void notes.push(text));
  return [findings.join('\n'), notes.join()];
};

describe('bundles made by Vite', () => {
  test('what is not used is not in it', async () => {
    const made = await bundle(project, { '@seq/clean': ['one'] });
    expect(made.sources).toEqual(['@seq/clean/dist/one.js']);
    expect(made.code).toContain('just one');
    expect(made.code).not.toContain('just two');
  });

  test('a subpath and the index that shakes give the same', async () => {
    const same = [{ '@seq/clean': ['one'] }];
    expect(await prove({ imports: { '@seq/clean/one': ['one'] }, same, limitKB: 1 })).toEqual([
      '',
      '0.1 kB of 1, 1 sources',
    ]);
  });

  test('what a page would load later is told apart from what it loads', async () => {
    const made = await bundle(project, { '@seq/clean/lazy': ['lazy'] });
    expect([made.sources, made.later.sources]).toEqual([
      ['@seq/clean/dist/lazy.js'],
      ['@seq/clean/dist/three.js'],
    ]);
    expect(made.code).not.toContain('just three');
    expect(made.later.code).toContain('just three');
    const imports = { '@seq/clean/lazy': ['lazy'] };
    const [carried, note] = await prove({ imports, limitKB: 1, without: ['@seq/clean/dist/three'] });
    expect(carried).toBe('it carries what it does not use: @seq/clean/dist/three.js');
    expect(note).toMatch(/^\d\.\d kB of 1, 1 sources, \d\.\d kB more with a GPU$/);
  });

  test('an index that drags another source along is found', async () => {
    const same = [{ '@seq/clinging': ['one'] }];
    const [findings] = await prove({ imports: { '@seq/clinging/one': ['one'] }, same, limitKB: 1 });
    expect(findings).toBe('{ one } of @seq/clinging does not give the same: @seq/clinging/dist/two.js');
    const [carried] = await prove({
      imports: { '@seq/clinging': ['one'] },
      limitKB: 1,
      without: ['@seq/clinging/dist/two'],
    });
    expect(carried).toBe('it carries what it does not use: @seq/clinging/dist/two.js');
  });
});

describe('judging a bundle', () => {
  const later = { sources: ['@seq/webgpu-kernels/src/wgsl/math.ts'], code: 'fn m_sin()', gzipped: 500 };
  const good: Bundle = { sources: ['@seq/a/src/x.ts'], code: 'f()', gzipped: 900, later };
  const wanted: BundleCase = { imports: { '@seq/a/x': ['x', 'y'], '@seq/b': ['z'] }, limitKB: 1 };

  test('within its limit it is good, beyond it not', () => {
    expect(judgeBundle(good, wanted)).toEqual([]);
    expect(judgeBundle({ ...good, gzipped: 1001 }, wanted)).toEqual([
      '1.0 kB are more than the limit of 1 kB',
    ]);
  });

  test('a bundle of nothing of ours proves nothing', () => {
    expect(judgeBundle({ ...good, sources: [] }, wanted).join()).toMatch(/source maps are missing/);
  });

  test('code for a GPU is found by its place and by its text, and allowed where it is asked for', () => {
    const gpu = {
      ...good,
      sources: ['@seq/webgpu-kernels/src/queue.ts'],
      code: 'await gpu.requestAdapter()',
    };
    expect(judgeBundle(gpu, wanted).join()).toMatch(
      /GPU: @seq\/webgpu-kernels\/src\/queue\.ts, requestAdapter/,
    );
    expect(judgeBundle({ ...good, code: 'a.createComputePipeline' }, wanted).join()).toMatch(
      /GPU: createComputePipeline/,
    );
    expect(judgeBundle(gpu, { ...wanted, gpu: true })).toEqual([]);
    expect(judgeBundle({ ...good, later: gpu }, wanted).join()).toMatch(/GPU: @seq\/webgpu-kernels/);
    const eager = { ...good, sources: [...good.sources, ...later.sources] };
    expect(judgeBundle(eager, wanted).join()).toMatch(/GPU: @seq\/webgpu-kernels\/src\/wgsl\/math\.ts/);
  });

  test('names', () => {
    expect(title(wanted.imports)).toBe('{ x, y } of @seq/a/x, { z } of @seq/b');
    expect(packageOfCase(wanted)).toBe('@seq/a');
    expect(sourceName('../../node_modules/@seq/a/src/x.ts')).toBe('@seq/a/src/x.ts');
    expect(sourceName('../app.js')).toBe('');
  });
});
