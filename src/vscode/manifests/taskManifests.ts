import { dirname, resolve } from 'node:path';
import * as vscode from 'vscode';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { ContainerTaskManifest } from '../../core/containerTasks/containerTask.ts';
import { parseContainerTaskManifest } from '../../protocol/containerTaskManifest.ts';
import { taskManifest } from '../contributions/ids.ts';
import { jsonErrorAt, placeInJson, type TextSpan } from './jsonPlace.ts';

/** More than a person would look through. */
const mostFound = 200;

/** The manifests of container tasks in the window's folders. What is wrong with one is marked where it stands. */
export class TaskManifests implements Disposable {
  private readonly resources = new DisposableStore();
  private readonly problems = this.resources.add(
    vscode.languages.createDiagnosticCollection('orchestrator.containerTasks'),
  );

  constructor() {
    // It was said of a text that is another one now; the schema's own marks follow it as it is typed.
    this.resources.add(
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0) this.problems.delete(document.uri);
      }),
    );
    this.resources.add(
      vscode.workspace.onDidDeleteFiles(({ files }) => {
        for (const uri of files) this.problems.delete(uri);
      }),
    );
  }

  /** By path. */
  async find(): Promise<vscode.Uri[]> {
    const found = await vscode.workspace.findFiles(
      `**/*${taskManifest.suffix}`,
      '**/node_modules/**',
      mostFound,
    );
    return found.toSorted((a, b) => a.path.localeCompare(b.path));
  }

  /**
   * As it is in the editor, saved first. Error: `invalid_request`; the file is then open with what is wrong selected,
   * and marked until it is changed.
   */
  async read(uri: vscode.Uri): Promise<ContainerTaskManifest> {
    if (uri.scheme !== 'file') {
      throw invalid(
        'The manifest must be a file of the machine on which the task is to run. Save it there first.',
      );
    }
    const document = await vscode.workspace.openTextDocument(uri);
    if (document.isDirty && !(await document.save())) throw invalid('The manifest could not be saved.');
    const text = document.getText();
    try {
      const value = parseJson(text);
      const manifest = parseContainerTaskManifest(value, (path) => resolve(dirname(uri.fsPath), path));
      this.problems.delete(uri);
      return manifest;
    } catch (error) {
      const known = OrchestratorError.from(error);
      await this.mark(document, spanOf(text, known), known.message);
      throw known;
    }
  }

  dispose(): void {
    this.resources.dispose();
  }

  private async mark(document: vscode.TextDocument, span: TextSpan, message: string): Promise<void> {
    const range = new vscode.Range(document.positionAt(span.from), document.positionAt(span.to));
    const diagnostic = new vscode.Diagnostic(range, message, vscode.DiagnosticSeverity.Error);
    diagnostic.source = 'Orchestrator';
    this.problems.set(document.uri, [diagnostic]);
    await vscode.window.showTextDocument(document, { selection: range });
  }
}

function parseJson(text: string): unknown {
  const at = jsonErrorAt(text);
  if (at === undefined) return JSON.parse(text);
  throw new OrchestratorError(
    'INVALID_ARGUMENT',
    'invalid_request',
    'The manifest of the task is not valid: it is not JSON from here on. Comments and trailing commas are not allowed.',
    { details: { offset: at } },
  );
}

function spanOf(text: string, { details }: OrchestratorError): TextSpan {
  const offset = details?.['offset'];
  if (typeof offset === 'number') return { from: offset, to: offset + 1 };
  const place = details?.['place'];
  const path = Array.isArray(place) ? (place as PropertyKey[]) : [];
  return placeInJson(text, path) ?? { from: 0, to: 1 };
}

function invalid(message: string): OrchestratorError {
  return new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', message);
}
