/** One fenced block of TypeScript in a README. */
export interface Example {
  /** Line of the README on which the code begins, counted from 1. */
  line: number;
  code: string;
  /** What its `// → …` comments say it prints. */
  prints: string[];
}

/**
 * The examples of a README: every block fenced as exactly ```` ```ts ````. A block is a whole module of its own: it
 * imports what it uses. Code that is not to run is fenced otherwise (```` ```js ````, ```` ```text ````).
 */
export function examplesOf(markdown: string): Example[] {
  const examples: Example[] = [];
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const fence = /^(\s*)(```+)(.*)$/.exec(lines[i]);
    if (!fence) continue;
    const [, indent = '', ticks = '', info = ''] = fence;
    const start = i + 1;
    do i++;
    while (i < lines.length && lines[i].trim() !== ticks);
    if (info.trim() !== 'ts') continue;
    const code = lines
      .slice(start, i)
      .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line))
      .join('\n');
    examples.push({
      line: start + 1,
      code,
      prints: [...code.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1].trim()),
    });
  }
  return examples;
}

/** A module of the example whose line numbers are those of the README. */
export function moduleOf(example: Example): string {
  return `${'\n'.repeat(example.line - 1)}${example.code}\nexport {};\n`;
}

/** The first promised line that was not printed in its turn; undefined when all were. */
export function missingPrint(promised: readonly string[], printed: readonly string[]): string | undefined {
  let at = 0;
  for (const line of promised) {
    const found = printed.indexOf(line, at);
    if (found < 0) return line;
    at = found + 1;
  }
  return undefined;
}
