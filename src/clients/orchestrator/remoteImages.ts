import type { ContainerAccess } from '../../core/containers/containerAccess.ts';
import type { ImageTaskOptions } from '../../core/ports/containerEngine.ts';
import type {
  ContainerServiceDefinition,
  ImageProgress as ProgressMessage,
} from '../../protocol/gen/container/v1/container.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { imageOf, progressOf } from './containerRecords.ts';
import { present } from './values.ts';

/** Images are listed from a disk that may be busy. */
const listLimitMs = 60_000;

/** Images of the engine of another core. Whoever gives a task up ends its stream, and with it the task. */
export function remoteImages(
  service: RpcClient<typeof ContainerServiceDefinition>,
): ContainerAccess['images'] {
  return {
    async list() {
      return (await service.listImages({}, { timeoutMs: listLimitMs })).images.map(imageOf);
    },
    async pull(image, { onProgress, signal } = {}) {
      for await (const { progress } of service.pullImage({ image, sessionId: '' }, { signal })) {
        if (progress !== undefined) onProgress?.(progressOf(progress));
      }
    },
    build({ sessionId, folder = '', dockerfile = '', tag, buildArgs = {}, ...options }) {
      const request = { sessionId, folder, dockerfile, tag, buildArgs: { ...buildArgs } };
      return imageIdOf(service.buildImage(request, { signal: options.signal }), options);
    },
    import({ sessionId, path, tag, isChosen = false, ...options }) {
      const request = { sessionId, path, tag, isChosen };
      return imageIdOf(service.importImage(request, { signal: options.signal }), options);
    },
    async remove(image) {
      await service.removeImage({ image }, { timeoutMs: listLimitMs });
    },
  };
}

type Answer = {
  readonly payload?:
    | { readonly $case: 'progress'; readonly value: ProgressMessage }
    | { readonly $case: 'imageId'; readonly value: string }
    | undefined;
};

async function imageIdOf(answers: AsyncIterable<Answer>, { onProgress }: ImageTaskOptions): Promise<string> {
  let id: string | undefined;
  for await (const { payload } of answers) {
    if (payload?.$case === 'progress') onProgress?.(progressOf(payload.value));
    else if (payload?.$case === 'imageId') id = payload.value;
  }
  return present(id, 'image');
}
