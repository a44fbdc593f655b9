import type { CoreContext } from '../context.ts';
import type { EngineImage, EngineInfo, ImageTaskOptions } from '../ports/containerEngine.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { invalidRequest } from '../text.ts';
import { containerParts } from './containerContext.ts';
import { installationLabel, sessionLabel } from './containerLabels.ts';
import { policyViolation } from './containerPolicy.ts';

export interface BuildRequest extends ImageTaskOptions {
  readonly sessionId: string;
  /** The session's directory when missing; must lie in it otherwise. */
  readonly folder?: string | undefined;
  readonly dockerfile?: string | undefined;
  readonly tag: string;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
}

export interface ImportRequest extends ImageTaskOptions {
  readonly sessionId: string;
  /** A tar file or a folder. Must lie in the session's directory, unless a person chose it. */
  readonly path: string;
  readonly tag: string;
  readonly isChosen?: boolean | undefined;
}

/** Images of the engine. They belong to the machine, not to us: nothing here removes one by itself. */
export class ContainerImages {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly ready: () => Promise<EngineInfo>;

  constructor(context: CoreContext, sessions: SessionManager, ready: () => Promise<EngineInfo>) {
    this.context = context;
    this.sessions = sessions;
    this.ready = ready;
  }

  async list(): Promise<EngineImage[]> {
    await this.ready();
    return containerParts(this.context).engine.listImages();
  }

  /** Undefined where the engine does not have it. */
  async find(reference: string): Promise<EngineImage | undefined> {
    await this.ready();
    return containerParts(this.context).engine.inspectImage(checkReference(reference));
  }

  /** Errors: `image_not_found`, `aborted` by the signal, those of the engine. */
  async pull(reference: string, options: ImageTaskOptions = {}): Promise<void> {
    const image = checkReference(reference);
    await this.ready();
    await containerParts(this.context).engine.pullImage(image, options);
  }

  /** Builds a folder of the session's. @returns the image's id. */
  async build(request: BuildRequest): Promise<string> {
    const { sessionId, tag, dockerfile, buildArgs, onProgress, signal } = request;
    const session = this.sessions.getOpen(sessionId);
    const reference = checkReference(tag);
    const folder = await this.pathWithin(sessionId, request.folder ?? session.cwd);
    await this.ready();
    const { engine, installationId } = containerParts(this.context);
    const labels = { [installationLabel]: installationId, [sessionLabel]: sessionId };
    return engine.buildImage({ folder, dockerfile, tag: reference, labels, buildArgs, onProgress, signal });
  }

  /** Makes an image of a root file system. @returns the image's id. */
  async import(request: ImportRequest): Promise<string> {
    const { sessionId, tag, onProgress, signal, isChosen } = request;
    this.sessions.getOpen(sessionId);
    const reference = checkReference(tag);
    const path = isChosen === true ? request.path : await this.pathWithin(sessionId, request.path);
    await this.ready();
    return containerParts(this.context).engine.importImage({ path, tag: reference, onProgress, signal });
  }

  async remove(reference: string): Promise<void> {
    const image = checkReference(reference);
    await this.ready();
    await containerParts(this.context).engine.removeImage(image);
  }

  /** The real path. Errors: `invalid_request` where there is none, `policy_violation` outside of the session's directory. */
  private async pathWithin(sessionId: string, path: string): Promise<string> {
    const { environment } = this.context;
    const session = this.sessions.get(sessionId);
    const [real, base] = await Promise.all([environment.realPath(path), environment.realPath(session.cwd)]);
    if (real === undefined) throw invalidRequest(`There is no ${path}.`);
    if (
      base !== undefined &&
      (real === base || real.startsWith(`${base}/`) || real.startsWith(`${base}\\`))
    ) {
      return real;
    }
    throw policyViolation(`${path} lies outside of the session's directory (${session.cwd}).`, session);
  }
}

function checkReference(reference: string): string {
  const clean = reference.trim();
  if (clean === '' || /[\s\0]/.test(clean) || clean.length > 512) {
    throw invalidRequest(`"${reference}" is no image's name.`);
  }
  return clean;
}
