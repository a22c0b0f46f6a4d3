import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '@seq-tooling/check/tool';
import type { Manifest, Workspace } from '@seq-tooling/check/workspace';

/** The fields of a manifest that a release writes. */
export type Released = Pick<Manifest, 'name' | 'version'>;

/**
 * What is wrong with the versions after `changeset version`: packages of one `fixed` group have one version, it is higher
 * than before, and a release before 1.0 does not become 1.0 by itself.
 */
export function released(after: readonly Released[], before: ReadonlyMap<string, string>): string[] {
  const findings: string[] = [];
  const versions = new Set(after.map(({ version }) => version));
  if (versions.size !== 1)
    findings.push(`versions differ: ${after.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
  for (const { name, version = '' } of after) {
    const old = before.get(name) ?? '';
    if (compareVersions(version, old) <= 0) findings.push(`${name} ${version} is not higher than ${old}`);
    if (old.startsWith('0.') && !version.startsWith('0.'))
      findings.push(`${name} went from ${old} to ${version}: leaving 0.x is nobody's accident`);
  }
  return findings;
}

/** Negative, zero or positive, as `a` is lower than, equal to or higher than `b`; for versions without suffixes. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (x?.[i] ?? 0) - (y?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** What is wrong with the manifests inside the tarballs that `changeset pack` wrote. */
export async function unpacked(folder: string, packages: readonly Workspace[]): Promise<string[]> {
  const findings: string[] = [];
  for (const { manifest } of packages) {
    const file = join(
      folder,
      'packages',
      `${manifest.name.slice(1).replace('/', '-')}-${manifest.version}.tgz`,
    );
    if (!existsSync(file)) {
      findings.push(`${file} is missing`);
      continue;
    }
    const { output } = await run('tar', ['-xzOf', file, 'package/package.json'], folder);
    findings.push(...judgeManifest(JSON.parse(output) as Manifest, manifest.version ?? ''));
  }
  return findings;
}

/** A published manifest speaks of versions, not of a workspace, and points to dist. */
export function judgeManifest(manifest: Manifest, version: string): string[] {
  const findings: string[] = [];
  const say = (text: string): void => void findings.push(`${manifest.name}: ${text}`);
  if (manifest.version !== version) say(`version ${manifest.version} instead of ${version}`);
  const text = JSON.stringify(manifest);
  if (text.includes('workspace:')) say('the manifest still speaks of the workspace');
  if (JSON.stringify(manifest.exports).includes('/src/')) say('exports point to src');
  for (const [name, range] of Object.entries(manifest.peerDependencies ?? {})) {
    if (name.startsWith('@seq/') && range !== `^${version}`)
      say(`peer ${name} is "${range}" instead of "^${version}"`);
  }
  return findings;
}
