import { readFile } from 'node:fs/promises';
import * as vscode from 'vscode';
import { OrchestratorError } from '../../base/errors.ts';
import { listServingCores } from '../../processHost/coreHolder.ts';
import { commandIds, viewIds } from '../contributions/ids.ts';
import { askDaemonToken, readDaemonToken } from '../remote/remoteTokens.ts';
import type { RemoteAddress } from '../remote/remotePlace.ts';
import { baseName, shortPath } from '../views/format.ts';
import type { CommandContext, CommandHandler } from './context.ts';
import { targetIds } from './targets.ts';

const startDaemon: CommandHandler = async (context) => {
  await context.ready();
  const { url, isWantedPort } = await context.daemon.start();
  if (isWantedPort) return;
  void vscode.window.showInformationMessage(
    `The daemon answers at ${url}: another program has the port that was wanted.`,
  );
};

const stopDaemon: CommandHandler = ({ daemon }) => daemon.stop();

const showDaemon: CommandHandler = async () => {
  await vscode.commands.executeCommand(`${viewIds.daemon}.focus`);
};

/** Of the row that it was called on, else of this window's daemon, else of the one that serves its sessions. */
const copyDaemonAddress: CommandHandler = async (context, args) => {
  const [remote] = targetIds(args, 'remote');
  const { daemon, core } = context;
  const own = daemon.state.word === 'running' ? daemon.state.daemon.url : undefined;
  const elsewhere = core.state.word === 'inUse' ? core.state.holder?.http?.url : undefined;
  const address = remote ?? own ?? elsewhere;
  if (address === undefined) {
    await offerStart(context);
    return;
  }
  await vscode.env.clipboard.writeText(address);
  vscode.window.setStatusBarMessage(`Copied ${address}`, 3_000);
};

const copyDaemonToken: CommandHandler = async (context) => {
  const { state } = context.daemon;
  if (state.word !== 'running') {
    await offerStart(context);
    return;
  }
  await vscode.env.clipboard.writeText((await readFile(state.daemon.tokenPath, 'utf8')).trim());
  void vscode.window.showWarningMessage(
    'The token is in the clipboard, where other programs can read it. Whoever has it can do through the daemon all that you can: paste it only where you trust the other end.',
  );
};

async function offerStart(context: CommandContext): Promise<void> {
  const start = 'Start Daemon';
  const answer = await vscode.window.showInformationMessage('The daemon of this window is off.', start);
  if (answer !== start) return;
  await context.ready();
  await context.daemon.start();
}

/** Shows the sessions of another daemon here, as a root of their own. */
const connectDaemon: CommandHandler = async (context, args) => {
  const [given] = args;
  const chosen = typeof given === 'string' ? addressOf(given) : await askDaemon(context);
  if (chosen === undefined) return;
  const token = chosen.token ?? (await askDaemonToken(chosen.address));
  if (token === undefined) return;
  await vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: `Connecting to ${chosen.address}`,
      cancellable: true,
    },
    async (_, cancellation) => {
      const stop = new AbortController();
      cancellation.onCancellationRequested(() => stop.abort());
      await context.remotes.connect(chosen, token, stop.signal);
    },
  );
};

type ChosenDaemon = RemoteAddress & { readonly token?: string };

interface DaemonChoice extends vscode.QuickPickItem {
  readonly stateDir?: string;
  readonly url?: string;
}

async function askDaemon({ core, remotes, home }: CommandContext): Promise<ChosenDaemon | undefined> {
  const running = listServingCores().flatMap(({ stateDir, holder }): DaemonChoice[] => {
    const url = holder.http?.url;
    if (url === undefined || stateDir === core.stateDir) return [];
    if (remotes.all.some(({ address }) => address === url)) return [];
    return [
      {
        label: holder.kind === 'vscode' ? holder.label : baseName(stateDir),
        description: url,
        detail: `${holder.kind === 'vscode' ? 'VS Code' : holder.label} · pid ${holder.pid} · ${shortPath(stateDir, home)}`,
        iconPath: new vscode.ThemeIcon('radio-tower'),
        stateDir,
        url,
      },
    ];
  });
  const enter: DaemonChoice = {
    label: 'Enter address…',
    description: 'http://HOST:PORT of a daemon, with its token',
    iconPath: new vscode.ThemeIcon('edit'),
    alwaysShow: true,
  };
  const picked = await vscode.window.showQuickPick([...running, enter], {
    title: 'Connect to daemon',
    placeHolder: running.length === 0 ? 'No other daemon of yours runs on this machine' : 'Which daemon?',
    matchOnDescription: true,
    matchOnDetail: true,
  });
  if (picked === undefined) return undefined;
  if (picked.url === undefined || picked.stateDir === undefined) return await enterAddress();
  // One of our own: its token is ours to read.
  const token = await readDaemonToken(picked.stateDir);
  return { name: picked.label, address: picked.url, ...(token === undefined ? {} : { token }) };
}

async function enterAddress(): Promise<ChosenDaemon | undefined> {
  const text = await vscode.window.showInputBox({
    title: 'Connect to daemon',
    prompt: 'Address of the daemon, as `orchestrator status` or its Daemon view shows it',
    placeHolder: 'http://127.0.0.1:8787',
    validateInput: (value) => problemOf(value.trim()),
  });
  return text === undefined ? undefined : addressOf(text.trim());
}

function problemOf(text: string): string | undefined {
  if (/^(?:https?|wss?):\/\//i.test(text) && URL.canParse(text)) return undefined;
  return 'Give the address as http://HOST:PORT, or https:// where it has a certificate.';
}

function addressOf(text: string): ChosenDaemon {
  const problem = problemOf(text);
  if (problem !== undefined) throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', problem);
  const { protocol, host } = new URL(text);
  return { name: host, address: `${protocol.replace(/^ws/, 'http')}//${host}` };
}

export const daemonCommands = {
  [commandIds.startDaemon]: startDaemon,
  [commandIds.stopDaemon]: stopDaemon,
  [commandIds.showDaemon]: showDaemon,
  [commandIds.copyDaemonAddress]: copyDaemonAddress,
  [commandIds.copyDaemonToken]: copyDaemonToken,
  [commandIds.connectDaemon]: connectDaemon,
};
