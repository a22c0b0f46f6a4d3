import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyRepository } from '@seq-tooling/check/copy';
import { proofs } from '@seq-tooling/check/proofs';
import { finding, mapLimited, tool } from '@seq-tooling/check/tool';
import { isRoom, workspaces } from '@seq-tooling/check/workspace';
import { template } from './template.js';

// `pnpm new:test`: makes a mechanism in a room that is there and a room of its own, in a copy of the repository, and judges
// both as a contribution is judged.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const list = proofs('new');
const copy = copyRepository(root);
const judged = ['lint', 'format', 'direction', 'cycles', 'rooms', 'docstrings', 'dead', 'readme'];

/** The tests of a folder of the copy; none at all is a failure. */
async function tests(note: (text: string) => void, ...filters: string[]): Promise<string[]> {
  const { code, output } = await copy.command('test', ...filters);
  const counted = /Tests\s+(?:\d+ \w+ \| )*(\d+ passed)[^\n]*/.exec(output);
  if (code !== 0 || !counted?.[1]) return [output];
  note(counted[1]);
  return [];
}

/**
 * What a check of the whole copy says about what was made. The rest is the business of `pnpm check`, which says it too.
 */
async function check(name: string, note: (text: string) => void): Promise<string[]> {
  const { code, output } = await copy.command('check', name);
  if (code === 0) return [];
  if (!/^check: \d+ passed, \d+ failed$/m.test(output)) return [output];
  const about = output.split('\n').filter((line) => line.includes('probe-'));
  if (about.length === 0) note('(finds something elsewhere: see pnpm check)');
  return about;
}

try {
  const room =
    workspaces(copy.folder).find((item) => isRoom(item) && item.id !== template.room)?.id ?? template.room;
  const made = [
    await list.prove(`pnpm new mechanism ${room}/probe-mean`, async () =>
      finding(await copy.command('new', 'mechanism', `${room}/probe-mean`)),
    ),
    await list.prove('pnpm new package probe-room probe-memory', async () =>
      finding(await copy.command('new', 'package', 'probe-room', 'probe-memory')),
    ),
  ];
  if (made.every(Boolean)) {
    await list.prove(`the laws and tests of ${room}/probe-mean`, (note) =>
      tests(note, `packages/${room}/src/probe-mean/`),
    );
    await list.prove('the laws and tests of @seq/probe-room', (note) => tests(note, 'packages/probe-room/'));
    await list.prove('the README examples of both', (note) =>
      tests(note, 'tooling/readme/src/examples', '-t', 'probe-(mean|room)'),
    );
    await list.prove('the table of states', (note) => tests(note, 'tooling/staircase/src/pages'));
    const folders = [`packages/${room}`, 'packages/probe-room', 'tooling/staircase'];
    await mapLimited(folders, 2, (folder) =>
      list.prove(`types of ${folder}`, async () =>
        finding(await tool(copy.folder, 'typescript-7', ['-p', folder], copy.folder, 'tsc')),
      ),
    );
    await mapLimited(judged, 2, (name) => list.prove(`check ${name}`, (note) => check(name, note)));
    await list.prove('build', async () => finding(await copy.command('build', room, 'probe-room')));
  }
} catch (error) {
  await list.prove('new', () => [String(error instanceof Error ? error.stack : error)]);
} finally {
  copy.remove();
}
process.exitCode = list.end();
