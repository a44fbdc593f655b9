import * as vscode from 'vscode';
import type { LiveContainers } from '../../core/liveOrchestrator.ts';
import type { ImageProgress } from '../../core/ports/containerEngine.ts';
import type { Session } from '../../core/sessions/session.ts';
import type { RecordingLog } from '../ui/recordingLog.ts';
import { type ReportProgress, withLateProgress } from '../ui/progress.ts';
import { type Answer, askText, back, settle } from '../ui/quickInputs.ts';
import { baseName, formatAge, formatBytes, oneLine } from '../views/format.ts';
import { type ContainerDraft, describeDraft, emptyDraft } from './containerDraft.ts';

/** What the first step answers: an image, with what was chosen for it the last time. */
export interface ImageChoice {
  readonly draft: ContainerDraft;
  /** As it was the last time, without a further question. */
  readonly isComplete: boolean;
}

export interface ImageQuestion {
  readonly containers: LiveContainers;
  readonly session: Session;
  readonly recent: readonly ContainerDraft[];
  readonly log: RecordingLog;
}

type Source =
  | { readonly kind: 'image'; readonly image: string }
  | { readonly kind: 'recent'; readonly draft: ContainerDraft; readonly isComplete?: boolean }
  | { readonly kind: 'pull' }
  | { readonly kind: 'build' };

interface Item extends vscode.QuickPickItem {
  readonly source?: Source;
}

/** Asks for an image, and gets it where it is not on the engine's machine. Undefined when dismissed. */
export async function askImage(question: ImageQuestion): Promise<ImageChoice | undefined> {
  const { containers } = question;
  for (;;) {
    const source = await pickSource(question);
    if (source === undefined || source === back) return undefined;
    const made = await draftFrom(source, question);
    if (made === undefined) return undefined;
    if (made === back) continue;
    const { image } = made.draft;
    if ((await containers.images.find(image)) !== undefined || (await pull(image, containers))) return made;
  }
}

async function draftFrom(source: Source, question: ImageQuestion): Promise<Answer<ImageChoice>> {
  switch (source.kind) {
    case 'image':
      return fresh(source.image);
    case 'recent':
      return { draft: source.draft, isComplete: source.isComplete === true };
    case 'pull': {
      const name = await askText({
        title: 'Pull an image',
        prompt: 'Name of the image, with its registry where it is not the default one',
        placeholder: 'postgres:16',
        value: '',
        validate: (text) => (/^\S+$/.test(text.trim()) ? undefined : 'The name of an image has no spaces.'),
      });
      return typeof name === 'string' ? fresh(name.trim()) : name;
    }
    case 'build': {
      const image = await build(question);
      return typeof image === 'string' ? fresh(image) : image;
    }
  }
}

const fresh = (image: string): ImageChoice => ({ draft: emptyDraft(image), isComplete: false });

const asLastTime: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('play'),
  tooltip: 'Create and Start as Last Time',
};

async function pickSource(question: ImageQuestion): Promise<Answer<Source>> {
  const pick = vscode.window.createQuickPick<Item>();
  pick.title = `Create container in ${question.session.name}`;
  pick.placeholder = 'Image: choose one, or type a name to pull it';
  pick.matchOnDescription = true;
  pick.ignoreFocusOut = true;
  pick.busy = true;
  let items: readonly Item[] = recentItems(question.recent);
  const draw = (): void => {
    const typed = pick.value.trim();
    const isKnown = typed === '' || /\s/.test(typed) || items.some(({ label }) => label === typed);
    const own: Item = {
      label: typed,
      description: 'use this name; it is pulled if it is not on this machine',
      iconPath: new vscode.ThemeIcon('cloud-download'),
      alwaysShow: true,
      source: { kind: 'image', image: typed },
    };
    pick.items = isKnown ? items : [...items, own];
  };
  draw();
  question.containers.images.list().then(
    (images) => {
      items = [...recentItems(question.recent), ...imageItems(images), ...otherItems];
      pick.busy = false;
      draw();
    },
    (error: unknown) => {
      question.log.warn('the images could not be listed', error);
      items = [...recentItems(question.recent), ...otherItems];
      pick.busy = false;
      draw();
    },
  );
  return await settle<Source>(pick, (resolve) => [
    pick.onDidChangeValue(draw),
    pick.onDidAccept(() => {
      const [chosen] = pick.selectedItems;
      if (chosen?.source !== undefined) resolve(chosen.source);
    }),
    pick.onDidTriggerItemButton(({ item }) => {
      if (item.source?.kind === 'recent') resolve({ ...item.source, isComplete: true });
    }),
  ]);
}

const separator = (label: string): Item => ({ label, kind: vscode.QuickPickItemKind.Separator });

function recentItems(recent: readonly ContainerDraft[]): Item[] {
  if (recent.length === 0) return [];
  const items = recent.map(
    (draft): Item => ({
      label: draft.image,
      description: oneLine(describeDraft(draft), 80),
      iconPath: new vscode.ThemeIcon('history'),
      // Values of variables are not remembered: they must be given again.
      ...(draft.environment === '' ? { buttons: [asLastTime] } : {}),
      source: { kind: 'recent', draft },
    }),
  );
  return [separator('used before'), ...items];
}

function imageItems(images: Awaited<ReturnType<LiveContainers['images']['list']>>): Item[] {
  const now = Date.now();
  const items = images
    .flatMap(({ tags, sizeBytes, createdAt }) => tags.map((tag) => ({ tag, sizeBytes, createdAt })))
    .toSorted((a, b) => a.tag.localeCompare(b.tag))
    .map(({ tag, sizeBytes, createdAt }): Item => {
      const age = formatAge(now - createdAt);
      return {
        label: tag,
        description: `${formatBytes(sizeBytes)} · ${age === 'just now' ? 'made just now' : `made ${age} ago`}`,
        iconPath: new vscode.ThemeIcon('package'),
        source: { kind: 'image', image: tag },
      };
    });
  return items.length === 0 ? [] : [separator('on the engine’s machine'), ...items];
}

const otherItems: readonly Item[] = [
  separator('from elsewhere'),
  {
    label: 'Pull an image…',
    iconPath: new vscode.ThemeIcon('cloud-download'),
    alwaysShow: true,
    source: { kind: 'pull' },
  },
  {
    label: 'Build from a Dockerfile…',
    iconPath: new vscode.ThemeIcon('tools'),
    alwaysShow: true,
    source: { kind: 'build' },
  },
];

/** False when it was cancelled. Errors: `image_not_found` and those of the engine. */
function pull(image: string, containers: LiveContainers): Promise<boolean> {
  return withLateProgress(`Pulling ${image}`, (report, signal) =>
    unlessCancelled(signal, async () => {
      await containers.images.pull(image, { signal, onProgress: (progress) => tell(progress, report) });
    }),
  );
}

function tell({ message, current, total }: ImageProgress, report: ReportProgress): void {
  const isCounted = current !== undefined && total !== undefined && total > 0;
  if (isCounted) report(`${formatBytes(current)} of ${formatBytes(total)}`, current / total);
  else report(oneLine(message, 80));
}

async function unlessCancelled(signal: AbortSignal, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

/** Asks for a Dockerfile of the session's folder and a name, and builds. */
async function build(question: ImageQuestion): Promise<Answer<string>> {
  const { session, containers, log } = question;
  const file = await askDockerfile(session.cwd);
  if (file === undefined || file === back) return file;
  const folder = vscode.Uri.joinPath(file, '..');
  const tag = await askText({
    title: `Build ${vscode.workspace.asRelativePath(file)}`,
    prompt: 'Name of the image that is made',
    value: `${imageName(baseName(folder.fsPath))}:latest`,
    validate: (text) => (/^\S+$/.test(text.trim()) ? undefined : 'The name of an image has no spaces.'),
  });
  if (typeof tag !== 'string') return tag;
  const image = tag.trim();
  const isBuilt = await withLateProgress(`Building ${image}`, (report, signal) =>
    unlessCancelled(signal, async () => {
      await containers.images.build({
        sessionId: session.id,
        folder: folder.fsPath,
        dockerfile: baseName(file.fsPath),
        tag: image,
        signal,
        onProgress: (progress) => {
          log.info(`build of ${image}: ${progress.message.trimEnd()}`);
          tell(progress, report);
        },
      });
    }),
  );
  return isBuilt ? image : undefined;
}

async function askDockerfile(folder: string): Promise<Answer<vscode.Uri>> {
  const pattern = '**/{Dockerfile,Containerfile,Dockerfile.*,*.Dockerfile,*.dockerfile}';
  const files = await vscode.workspace.findFiles(
    new vscode.RelativePattern(vscode.Uri.file(folder), pattern),
    '**/node_modules/**',
    100,
  );
  if (files.length === 0) {
    void vscode.window.showInformationMessage(`There is no Dockerfile in ${folder}.`);
    return undefined;
  }
  if (files.length === 1) return files[0];
  const pick = vscode.window.createQuickPick<vscode.QuickPickItem & { readonly uri: vscode.Uri }>();
  pick.title = 'Build which Dockerfile?';
  pick.ignoreFocusOut = true;
  pick.buttons = [vscode.QuickInputButtons.Back];
  pick.items = files
    .map((uri) => ({
      label: vscode.workspace.asRelativePath(uri),
      iconPath: new vscode.ThemeIcon('file'),
      uri,
    }))
    .toSorted((a, b) => a.label.localeCompare(b.label));
  return await settle<vscode.Uri>(pick, (resolve) => [
    pick.onDidAccept(() => {
      const [chosen] = pick.selectedItems;
      if (chosen !== undefined) resolve(chosen.uri);
    }),
    pick.onDidTriggerButton(() => resolve(back)),
  ]);
}

/** As an engine takes it. */
function imageName(folder: string): string {
  const name = folder.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return name.replace(/^-|-$/g, '') || 'image';
}
