import * as vscode from 'vscode';
import { nameLimit } from '../../core/text.ts';
import { type Answer, askText, back, settle, type TextQuestion } from '../ui/quickInputs.ts';
import { oneLine } from '../views/format.ts';
import {
  type ContainerDraft,
  environmentNames,
  mountPoint,
  needsNetwork,
  parseEnvironment,
  parsePorts,
  problemOf,
} from './containerDraft.ts';
import { splitWords } from './words.ts';

export interface FormOptions {
  /** Of the session, which may be mounted. */
  readonly folder: string;
  /** Paths of this machine mean nothing to an engine elsewhere. */
  readonly canMount: boolean;
}

type TextField = 'name' | 'command' | 'ports' | 'environment';
type SwitchField = 'hasNetwork' | 'hasTerminal' | 'isRootReadOnly' | 'isRemovedOnStop';

type Deed =
  | { readonly kind: 'create' }
  | { readonly kind: 'text'; readonly field: TextField }
  | { readonly kind: 'switch'; readonly field: SwitchField }
  | { readonly kind: 'mount' };

interface Field extends vscode.QuickPickItem {
  readonly deed?: Deed;
}

/**
 * A form of one quick pick: Enter on the first line creates, on any other one changes it. Answers the draft once it is
 * to be created.
 */
export async function fillForm(draft: ContainerDraft, options: FormOptions): Promise<Answer<ContainerDraft>> {
  let current = draft;
  let deed: Deed = { kind: 'create' };
  for (;;) {
    const chosen = await showForm(current, deed, options);
    if (chosen === undefined || chosen === back) return chosen;
    ({ draft: current, deed } = chosen);
    if (deed.kind === 'create') return current;
    if (deed.kind !== 'text') continue;
    const { field } = deed;
    const text = await askText(questionOf(field, current));
    if (text === undefined) return undefined;
    if (text !== back) current = { ...current, [field]: text.trim() };
  }
}

interface Shown {
  readonly draft: ContainerDraft;
  readonly deed: Deed;
}

/** Switches are changed in place; what asks further, and creating, is the answer. */
async function showForm(first: ContainerDraft, active: Deed, options: FormOptions): Promise<Answer<Shown>> {
  const pick = vscode.window.createQuickPick<Field>();
  let draft = first;
  pick.title = `Create container of ${draft.image}`;
  pick.placeholder = 'Create it as it is, or choose what to change';
  pick.ignoreFocusOut = true;
  pick.buttons = [vscode.QuickInputButtons.Back];
  const draw = (at: Deed): void => {
    pick.items = fieldsOf(draft, options);
    const line = pick.items.find(({ deed }) => deed !== undefined && sameDeed(deed, at));
    if (line !== undefined) pick.activeItems = [line];
  };
  draw(active);
  return await settle<Shown>(pick, (resolve) => [
    pick.onDidTriggerButton(() => resolve(back)),
    pick.onDidAccept(() => {
      const deed = pick.activeItems[0]?.deed;
      if (deed === undefined) return;
      if (deed.kind === 'switch') draft = { ...draft, [deed.field]: !draft[deed.field] };
      else if (deed.kind === 'mount') draft = { ...draft, mount: nextMount[draft.mount] };
      else {
        resolve({ draft, deed });
        return;
      }
      draw(deed);
    }),
  ]);
}

const nextMount = { none: 'readOnly', readOnly: 'writable', writable: 'none' } as const;

function sameDeed(a: Deed, b: Deed): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function fieldsOf(draft: ContainerDraft, { folder, canMount }: FormOptions): Field[] {
  const mounts = {
    none: 'not mounted',
    readOnly: `${folder} at ${mountPoint}, read-only`,
    writable: `${folder} at ${mountPoint}, writable`,
  };
  const network = needsNetwork(draft) || draft.hasNetwork;
  const text = (field: TextField, label: string, icon: string, value: string): Field => ({
    label,
    description: value,
    iconPath: new vscode.ThemeIcon(icon),
    deed: { kind: 'text', field },
  });
  const toggle = (
    field: SwitchField,
    label: string,
    isOn: boolean,
    words: readonly [string, string],
  ): Field => ({
    label,
    description: words[isOn ? 0 : 1],
    iconPath: new vscode.ThemeIcon(isOn ? 'check' : 'circle-large-outline'),
    deed: { kind: 'switch', field },
  });
  return [
    {
      label: 'Create and Start',
      description: draft.image,
      iconPath: new vscode.ThemeIcon('play'),
      deed: { kind: 'create' },
    },
    { label: '', kind: vscode.QuickPickItemKind.Separator },
    text('name', 'Name', 'tag', draft.name || 'made from the image'),
    text('command', 'Command', 'chevron-right', oneLine(draft.command, 80) || 'the image’s own'),
    text('ports', 'Ports', 'plug', draft.ports || 'none published'),
    text(
      'environment',
      'Environment',
      'symbol-variable',
      environmentNames(draft.environment) || 'nothing added',
    ),
    ...(canMount
      ? [
          {
            label: 'Folder',
            description: mounts[draft.mount],
            iconPath: new vscode.ThemeIcon('folder'),
            deed: { kind: 'mount' },
          } as const,
        ]
      : []),
    toggle('hasNetwork', 'Network', network, [
      needsNetwork(draft) ? 'on: ports are published' : 'on: it reaches the network',
      'off: it reaches nothing',
    ]),
    toggle('hasTerminal', 'Terminal', draft.hasTerminal, ['on: you can attach and type', 'off']),
    toggle('isRootReadOnly', 'Read-only file system', draft.isRootReadOnly, ['on', 'off']),
    toggle('isRemovedOnStop', 'Remove when it stops', draft.isRemovedOnStop, [
      'on: with its files and its output',
      'off',
    ]),
  ];
}

function questionOf(field: TextField, draft: ContainerDraft): TextQuestion {
  const value = draft[field];
  switch (field) {
    case 'name':
      return {
        title: 'Name',
        prompt: 'Name of the container; empty makes one from the image',
        value,
        validate: (text) => (text.trim().length > nameLimit ? `At most ${nameLimit} characters.` : undefined),
      };
    case 'command':
      return {
        title: 'Command',
        prompt: 'Program and arguments, quoted as in a shell; empty runs the image’s own',
        placeholder: 'sh -c "npm ci && npm start"',
        value,
        validate: problemOf(splitWords),
      };
    case 'ports':
      return {
        title: 'Ports',
        prompt:
          'host:container, or the container’s port alone for a free one; on this machine only, unless an address is given',
        placeholder: '8080:80 5432',
        value,
        validate: problemOf(parsePorts),
      };
    case 'environment':
      return {
        title: 'Environment',
        prompt:
          'NAME=value, with quotes around spaces. Values are given to the engine and not remembered here.',
        placeholder: 'POSTGRES_PASSWORD=secret GREETING="hello world"',
        value,
        validate: problemOf(parseEnvironment),
      };
  }
}
