import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import type { Plugin, Rolldown } from 'vite';
import type { Project } from './project.js';

/** One line of bundles.json: what an application imports, and what it may carry for that. */
export interface BundleCase {
  /** Names by module: `{ "@seq/rnn/gru": ["gru"] }`. */
  imports: Record<string, string[]>;
  /**
   * The largest size of what a page loads to run, minified and compressed by gzip file by file, in units of 1000 bytes.
   * What it would load later, the kernels of a GPU that it does not ask for, is told beside it.
   */
  limitKB: number;
  /** Sources that must not be in it: `@seq/rnn/src/lstm/` stands for the whole folder. */
  without?: string[];
  /** Other ways to import the same; they must give the same sources. */
  same?: Record<string, string[]>[];
  /** True where a GPU is what one asks for; elsewhere a bundle must be free of code for it. */
  gpu?: boolean;
}

/** Files as a browser would load them. */
export interface Loaded {
  /** The sources whose code is in them, as `@seq/rnn/src/gru/op.ts`. */
  sources: string[];
  code: string;
  gzipped: number;
}

/** A bundle: what the page loads to begin, and in `later` what it loads where `import()` asks for it. */
export interface Bundle extends Loaded {
  later: Loaded;
}

type Chunk = Pick<Rolldown.OutputChunk, 'fileName' | 'isEntry' | 'imports' | 'code' | 'map'>;

/** Text that only code that drives a GPU has. */
const gpuText = ['requestAdapter', 'createComputePipeline', 'GPUBufferUsage'];

/** Hands the packages' source maps to Vite, so that the bundle's map leads back to their sources. */
const sourceMaps: Plugin = {
  name: 'seq-source-maps',
  enforce: 'pre',
  load(id) {
    if (!existsSync(`${id}.map`)) return null;
    return { code: readFileSync(id, 'utf8'), map: readFileSync(`${id}.map`, 'utf8') };
  },
};

/** Bundles an application that uses just these names, with Vite as it comes. */
export async function bundle(project: Project, imports: Record<string, string[]>): Promise<Bundle> {
  project.write('app.js', application(imports));
  const result = await build({
    root: project.folder,
    configFile: false,
    logLevel: 'error',
    plugins: [sourceMaps],
    build: {
      write: false,
      sourcemap: true,
      minify: true,
      rolldownOptions: { input: join(project.folder, 'app.js') },
      modulePreload: { polyfill: false },
    },
  });
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((item) =>
    'output' in item ? item.output : [],
  );
  const chunks = outputs.flatMap((item) => (item.type === 'chunk' ? [item] : []));
  const first = closure(chunks);
  const later = chunks.filter((chunk) => !first.has(chunk));
  return { ...loaded([...first]), later: loaded(later) };
}

/** The entry and everything that it imports, but not what it would import by `import()`. */
function closure(chunks: readonly Chunk[]): Set<Chunk> {
  const reached = new Set(chunks.filter((chunk) => chunk.isEntry));
  for (const { imports } of reached) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) reached.add(chunk);
  }
  return reached;
}

function loaded(chunks: readonly Chunk[]): Loaded {
  const sources = chunks.flatMap((chunk) => chunk.map?.sources ?? []).map(sourceName);
  return {
    sources: [...new Set(sources)].filter((name) => name !== '').sort(),
    code: chunks.map((chunk) => chunk.code).join('\n'),
    gzipped: chunks.reduce((sum, chunk) => sum + gzipSync(chunk.code).length, 0),
  };
}

/** `…/node_modules/@seq/rnn/src/gru/op.ts` → `@seq/rnn/src/gru/op.ts`; the application itself → ''. */
export function sourceName(path: string): string {
  const at = path.lastIndexOf('node_modules/');
  return at < 0 ? '' : path.slice(at + 'node_modules/'.length);
}

function application(imports: Record<string, string[]>): string {
  const lines = Object.entries(imports).map(
    ([from, names]) => `import { ${names.join(', ')} } from '${from}';`,
  );
  return `${lines.join('\n')}\nglobalThis.app = [${Object.values(imports).flat().join(', ')}];\n`;
}

/** What is wrong with a bundle. */
export function judgeBundle(made: Bundle, { limitKB, without = [], gpu = false }: BundleCase): string[] {
  const findings: string[] = [];
  const size = kilobytes(made.gzipped);
  if (made.gzipped > limitKB * 1000) findings.push(`${size} are more than the limit of ${limitKB} kB`);
  if (made.sources.length === 0) findings.push('no source of ours is in it: the source maps are missing');
  const all = [...made.sources, ...made.later.sources];
  for (const prefix of without) {
    const found = all.filter((source) => source.startsWith(prefix));
    if (found.length > 0) findings.push(`it carries what it does not use: ${found.join(', ')}`);
  }
  if (!gpu) {
    const modules = [
      ...made.sources.filter((source) => source.startsWith('@seq/webgpu-kernels/')),
      ...made.later.sources.filter((source) => /@seq\/webgpu-kernels\/(?!src\/wgsl\/)/.test(source)),
    ];
    const texts = gpuText.filter((text) => made.code.includes(text) || made.later.code.includes(text));
    if (modules.length + texts.length > 0)
      findings.push(`it carries code for a GPU: ${[...modules, ...texts].join(', ')}`);
  }
  return findings;
}

/** Bundles a case in all its spellings and judges them. */
export async function proveBundle(
  project: Project,
  wanted: BundleCase,
  note: (text: string) => void,
): Promise<string[]> {
  const made = await bundle(project, wanted.imports);
  const more = made.later.gzipped === 0 ? '' : `, ${kilobytes(made.later.gzipped)} more with a GPU`;
  note(`${kilobytes(made.gzipped)} of ${wanted.limitKB}, ${made.sources.length} sources${more}`);
  const findings = judgeBundle(made, wanted);
  for (const imports of wanted.same ?? []) {
    const other = await bundle(project, imports);
    const unlike = [made, made.later].flatMap((one, i) => {
      const another = [other, other.later][i];
      return [
        ...one.sources.filter((s) => !another.sources.includes(s)),
        ...another.sources.filter((s) => !one.sources.includes(s)),
      ];
    });
    if (unlike.length > 0) findings.push(`${title(imports)} does not give the same: ${unlike.join(', ')}`);
  }
  return findings;
}

/** `{ gru } of @seq/rnn/gru`. */
export function title(imports: Record<string, string[]>): string {
  return Object.entries(imports)
    .map(([from, names]) => `{ ${names.join(', ')} } of ${from}`)
    .join(', ');
}

/** The package a case is about: that of its first import. */
export function packageOfCase({ imports }: BundleCase): string {
  return Object.keys(imports)[0]?.split('/').slice(0, 2).join('/') ?? '';
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
