import * as vscode from 'vscode';

const editorColumns = [
  vscode.ViewColumn.One,
  vscode.ViewColumn.Two,
  vscode.ViewColumn.Three,
  vscode.ViewColumn.Four,
  vscode.ViewColumn.Five,
  vscode.ViewColumn.Six,
  vscode.ViewColumn.Seven,
  vscode.ViewColumn.Eight,
  vscode.ViewColumn.Nine,
];

/** The column that a saved number stands for; the first one when there is none such. */
export function toViewColumn(number: number): vscode.ViewColumn {
  return editorColumns[number - 1] ?? vscode.ViewColumn.One;
}
