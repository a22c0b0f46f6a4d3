const mark = Symbol.for('@seq/tensor');
let done = false;

/**
 * Says once when another copy of this package is loaded beside this one.
 *
 * Tensors and ops of one copy are strangers to the other: trees do not see them, plans do not know their ops.
 * It is called when a device is made, so that importing the package does nothing.
 */
export function announceCopy(
  place: string = import.meta.url,
  scope: Record<symbol, unknown> = globalThis,
  warn: (message: string) => void = (message) => {
    // oxlint-disable-next-line no-console -- there is nobody else to tell, and nothing has failed yet
    console.warn(message);
  },
): void {
  if (done && scope === (globalThis as never)) return;
  done = true;
  const other = scope[mark];
  if (other === undefined) scope[mark] = place;
  else if (other !== place) {
    warn(
      `@seq/tensor: two copies are loaded, ${typeof other === 'string' ? other : 'one of another version'} and ${place}. Tensors of one are strangers to the other. ` +
        'Make it a peerDependency where you publish, and look with `npm ls @seq/tensor`.',
    );
  }
}
