import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import * as vscode from 'vscode';
import { OrchestratorError } from '../../base/errors.ts';
import { listServingCores, readCoreHolder } from '../../processHost/coreHolder.ts';
import { commandIds } from '../contributions/ids.ts';
import type { RemoteAddress } from '../remote/remotePlace.ts';
import { baseName, shortPath } from '../views/format.ts';
import type { CommandContext, CommandHandler } from './context.ts';
import { targetIds } from './targets.ts';

/** Connects to another orchestrator: one of this user that runs, or one at an address. */
const connectOrchestrator: CommandHandler = async (context, args) => {
  const [given] = args;
  const asked = typeof given === 'string' ? addressOf(given) : await askAddress(context);
  if (asked === undefined) return;
  const token = isAbsolute(asked.address) ? undefined : await askToken(asked.address);
  if (token === null) return;
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Connecting to ${asked.name}` },
    () => context.remotes.connect(asked, token),
  );
};

interface AddressChoice extends vscode.QuickPickItem {
  readonly remote?: RemoteAddress;
}

async function askAddress({ core, remotes, home }: CommandContext): Promise<RemoteAddress | undefined> {
  const running = listServingCores().flatMap(({ stateDir, holder }): AddressChoice[] => {
    const socket = holder.grpc?.socket;
    if (socket === undefined || stateDir === core.stateDir) return [];
    if (remotes.all.some(({ address }) => address === socket)) return [];
    const name = holder.kind === 'vscode' ? holder.label : baseName(stateDir);
    return [
      {
        label: name,
        description: `${holder.kind === 'vscode' ? 'VS Code' : holder.label} · pid ${holder.pid}`,
        detail: shortPath(stateDir, home),
        iconPath: new vscode.ThemeIcon(holder.kind === 'vscode' ? 'window' : 'server-process'),
        remote: { name, address: socket },
      },
    ];
  });
  const enter: AddressChoice = {
    label: 'Enter an address…',
    description: 'socket, state directory, or host:port',
    iconPath: new vscode.ThemeIcon('edit'),
    alwaysShow: true,
  };
  const picked = await vscode.window.showQuickPick([...running, enter], {
    title: 'Connect to orchestrator',
    placeHolder: running.length === 0 ? 'No other orchestrator of yours runs' : 'Which orchestrator?',
    matchOnDescription: true,
    matchOnDetail: true,
  });
  if (picked === undefined) return undefined;
  if (picked.remote !== undefined) return picked.remote;
  const text = await vscode.window.showInputBox({
    title: 'Connect to orchestrator',
    prompt: 'Path of its socket or state directory, or host:port',
    placeHolder: '/path/to/grpc.sock',
    validateInput: (value) => problemOf(value.trim()),
  });
  return text === undefined ? undefined : addressOf(text.trim());
}

function problemOf(text: string): string | undefined {
  if (text === '') return 'The address must not be empty.';
  if (isAbsolute(text) || /^(?:\[[^\]]+\]|[^\s:/]+):\d{1,5}$/.test(text)) return undefined;
  return 'Give an absolute path, or HOST:PORT.';
}

/** Error: `closed` for a state directory that nobody serves over gRPC. */
function addressOf(text: string): RemoteAddress {
  if (!isAbsolute(text)) return { name: text, address: text };
  if (statSync(text, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return { name: baseName(text.replace(/\/[^/]*$/, '')), address: text };
  }
  const socket = readCoreHolder(text)?.grpc?.socket;
  if (socket !== undefined) return { name: baseName(text), address: socket };
  throw new OrchestratorError(
    'UNAVAILABLE',
    'closed',
    `No orchestrator answers for ${text}. Start one: orchestrator serve --state-dir ${text}`,
  );
}

/** Over TCP every orchestrator wants one. Null when the question was dismissed. */
async function askToken(address: string): Promise<string | null> {
  const token = await vscode.window.showInputBox({
    title: `Token of ${address}`,
    prompt: 'As in the file grpc-token of its state directory. It is kept in the secret storage.',
    password: true,
  });
  return token?.trim() ?? null;
}

const disconnectOrchestrator: CommandHandler = async ({ remotes }, args) => {
  const [address] = targetIds(args, 'remote');
  const choices = remotes.all.map((place) => ({
    label: place.name,
    description: place.address,
    iconPath: new vscode.ThemeIcon('remote'),
    place,
  }));
  if (choices.length === 0) {
    void vscode.window.showInformationMessage('This window is connected to no other orchestrator.');
    return;
  }
  const title = 'Disconnect from which orchestrator?';
  const place =
    address === undefined
      ? (await vscode.window.showQuickPick(choices, { title, placeHolder: title }))?.place
      : remotes.of(address);
  // Nothing is lost by it: all that runs there goes on.
  if (place !== undefined) await remotes.disconnect(place);
};

export const remoteCommands = {
  [commandIds.connectOrchestrator]: connectOrchestrator,
  [commandIds.disconnectOrchestrator]: disconnectOrchestrator,
};
