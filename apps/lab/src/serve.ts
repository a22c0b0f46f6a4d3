import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, relative, sep } from 'node:path';
import { inputError, usageError } from './errors.js';

/**
 * What the page may do: run its own scripts and workers, compile WebAssembly, read its own files. No inline script or
 * style, no evaluation of strings, no other host.
 */
export const contentSecurityPolicy =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** A page that is being served. */
export interface PageServer {
  /** Where, such as `http://127.0.0.1:4173/`. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the files of a folder to this machine alone, under a strict content security policy.
 *
 * @param folder  holds index.html; its files are read once, and nothing else can be asked for
 * @param port    0 for any that is free
 * @throws LabError  exit code 3 for a folder without a page, 2 for a port that cannot be had
 */
export async function servePage(folder: string, port: number): Promise<PageServer> {
  if (!existsSync(join(folder, 'index.html')))
    throw inputError(
      `page: the built page must be in ${folder}, it has no index.html. Build the lab first; npm run lab:page does so by itself.`,
    );
  const files = new Map<string, string>([['/', join(folder, 'index.html')]]);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const file = join(entry.parentPath, entry.name);
      files.set(`/${relative(folder, file).split(sep).join('/')}`, file);
    }
  const server = createServer(({ method, url = '/' }, response) => {
    const file = files.get(url.replace(/[?#].*$/, ''));
    const allowed = method === 'GET' || method === 'HEAD';
    const status = !allowed ? 405 : file === undefined ? 404 : 200;
    response.writeHead(status, {
      'content-type': (status === 200 && types[extname(file!)]) || 'text/plain; charset=utf-8',
      'content-security-policy': `${contentSecurityPolicy}; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
      ...(allowed ? {} : { allow: 'GET, HEAD' }),
    });
    if (status === 200) response.end(method === 'HEAD' ? undefined : readFileSync(file!));
    else response.end(status === 404 ? 'There is no such file.\n' : 'Only GET and HEAD.\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        usageError(
          `page: --port must be free, got ${port} (${error.code ?? error.message}). Choose another one, or 0 for any.`,
        ),
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}/`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
