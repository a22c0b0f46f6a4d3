const end = '<!-- /generated -->';

/** True when a text has the region `<!-- generated:NAME -->` … `<!-- /generated -->`. */
export function hasRegion(text: string, name: string): boolean {
  return text.includes(`<!-- generated:${name} -->`);
}

/**
 * Replaces what stands between the markers of a region, every one of that name.
 *
 * @throws Error  when a region is never closed or another begins inside it
 */
export function fillRegion(text: string, name: string, content: string): string {
  const start = `<!-- generated:${name} -->`;
  let result = '';
  let rest = text;
  for (let at = rest.indexOf(start); at >= 0; at = rest.indexOf(start)) {
    const open = at + start.length;
    const close = rest.indexOf(end, open);
    const next = rest.indexOf('<!-- generated:', open);
    if (close < 0 || (next >= 0 && next < close))
      throw new Error(`the region ${start} is not closed by ${end}`);
    result += `${rest.slice(0, open)}\n\n${content.trim()}\n\n${end}`;
    rest = rest.slice(close + end.length);
  }
  return result + rest;
}
