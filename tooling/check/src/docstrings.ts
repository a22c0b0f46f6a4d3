import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { parse } from './imports.js';
import { fromRoot, workspaces } from './workspace.js';

/** Every function, class, constant and type that a package publishes has a docstring. */
export function docstrings(root: string): string[] {
  const findings = new Set<string>();
  for (const { group, path, manifest } of workspaces(root)) {
    if (group !== 'packages') continue;
    for (const entry of Object.values(manifest.exports ?? { '.': './src/index.ts' })) {
      if (typeof entry !== 'string' || !entry.endsWith('.ts') || !existsSync(join(root, path, entry)))
        continue;
      for (const { file, line, name } of undocumented(join(root, path, entry), undefined)) {
        findings.add(`${fromRoot(root, file)}:${line}: ${name} has no docstring`);
      }
    }
  }
  return [...findings];
}

interface Place {
  file: string;
  line: number;
  name: string;
}

/** What `file` exports without a docstring (only `wanted`, when given), its re-exports followed to where they are declared. */
function undocumented(file: string, wanted: ReadonlySet<string> | undefined): Place[] {
  const source = parse(file);
  const places: Place[] = [];
  const documented = new Set<string>();
  for (const statement of source.statements) {
    if (ts.isExportDeclaration(statement)) {
      places.push(...behindReExport(file, statement, wanted));
      continue;
    }
    if (!isExported(statement)) continue;
    const line = source.getLineAndCharacterOfPosition(statement.getStart()).line + 1;
    for (const name of declaredNames(statement)) {
      // Overloads share the docstring of the first.
      if (ts.getJSDocCommentsAndTags(statement).length > 0) documented.add(name);
      else if (!documented.has(name) && (!wanted || wanted.has(name))) places.push({ file, line, name });
    }
  }
  return places;
}

function behindReExport(
  file: string,
  statement: ts.ExportDeclaration,
  wanted: ReadonlySet<string> | undefined,
): Place[] {
  const specifier = statement.moduleSpecifier;
  if (!specifier || !ts.isStringLiteral(specifier) || !specifier.text.startsWith('.')) return [];
  const target = join(dirname(file), specifier.text.replace(/\.js$/, '.ts'));
  if (!existsSync(target)) return [];
  const clause = statement.exportClause;
  if (!clause) return undocumented(target, wanted);
  if (!ts.isNamedExports(clause)) return undocumented(target, undefined);
  const names = clause.elements
    .filter((element) => !wanted || wanted.has(element.name.text))
    .map((element) => (element.propertyName ?? element.name).text);
  return undocumented(target, new Set(names));
}

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
  return modifiers.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword);
}

function declaredNames(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) =>
      ts.isIdentifier(name) ? [name.text] : [],
    );
  }
  const named =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement);
  return named && statement.name ? [statement.name.text] : [];
}
