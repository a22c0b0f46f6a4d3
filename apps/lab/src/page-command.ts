import { fileURLToPath } from 'node:url';
import { EXIT } from './errors.js';
import type { ExitCode } from './errors.js';
import { listenForInterrupts } from './interrupts.js';
import type { PageFlags } from './program.js';
import { servePage } from './serve.js';

/** Serves the page of the lab until Ctrl-C, which is how it is meant to end: exit code 0. */
export async function pageCommand({ port }: PageFlags): Promise<ExitCode> {
  const built = import.meta.url.endsWith('.ts') ? '../dist/page' : './page';
  const interrupts = listenForInterrupts();
  try {
    const server = await servePage(fileURLToPath(new URL(built, import.meta.url)), port);
    process.stdout.write(`The lab as a page: ${server.url}\nCtrl-C ends it.\n`);
    await new Promise((resolve) => interrupts.stop.addEventListener('abort', resolve));
    await server.close();
    return EXIT.ok;
  } finally {
    interrupts.release();
  }
}
