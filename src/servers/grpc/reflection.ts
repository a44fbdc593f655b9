import { status as grpcStatus } from '@grpc/grpc-js';
import { type FileDescriptor, fileDescriptors } from '../../protocol/gen/descriptors.ts';
import {
  ServerReflectionDefinition,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../protocol/gen/grpc/reflection/v1/reflection.ts';
import { ServerReflectionDefinition as ServerReflectionAlphaDefinition } from '../../protocol/gen/grpc/reflection/v1alpha/reflection.ts';
import { implement, type ServiceImplementation } from './rpcHandlers.ts';

type Answer = ServerReflectionResponse['messageResponse'];

/** Reflection as clients such as grpcurl ask for it, in its first version and in the one before. */
export function reflectionServices(serviceNames: readonly string[]): ServiceImplementation[] {
  const files = new Map(fileDescriptors.map((file) => [file.name, file]));
  const owners = new Map(
    fileDescriptors.flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const)),
  );
  const names = [
    ...serviceNames,
    ServerReflectionDefinition.fullName,
    ServerReflectionAlphaDefinition.fullName,
  ].sort();

  const answer = ({ messageRequest: request }: ServerReflectionRequest): Answer => {
    switch (request?.$case) {
      case 'listServices':
        return { $case: 'listServicesResponse', value: { service: names.map((name) => ({ name })) } };
      case 'fileByFilename':
        return filesAnswer(files.get(request.value), `There is no file ${request.value}.`);
      case 'fileContainingSymbol':
        return filesAnswer(owners.get(request.value), `There is no symbol ${request.value}.`);
      case 'fileContainingExtension':
        return errorAnswer(grpcStatus.NOT_FOUND, 'There are no extensions.');
      case 'allExtensionNumbersOfType':
        return owners.has(request.value)
          ? {
              $case: 'allExtensionNumbersResponse',
              value: { baseTypeName: request.value, extensionNumber: [] },
            }
          : errorAnswer(grpcStatus.NOT_FOUND, `There is no type ${request.value}.`);
      case undefined:
        return errorAnswer(grpcStatus.INVALID_ARGUMENT, 'The request asks for nothing.');
    }
  };

  const filesAnswer = (file: FileDescriptor | undefined, missing: string): Answer => {
    if (file === undefined) return errorAnswer(grpcStatus.NOT_FOUND, missing);
    const bytes = [...closure(file, files)].map((each) => new Uint8Array(Buffer.from(each.bytes, 'base64')));
    return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: bytes } };
  };

  const handlers = {
    async *serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
      }
    },
  };
  // Both versions have the same messages under different names.
  return [
    implement(ServerReflectionDefinition, handlers),
    implement(ServerReflectionAlphaDefinition, handlers),
  ];
}

function errorAnswer(errorCode: grpcStatus, errorMessage: string): Answer {
  return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}

/** The file with all that it depends on, each once. */
function closure(
  file: FileDescriptor,
  files: ReadonlyMap<string, FileDescriptor>,
  found = new Set<FileDescriptor>(),
): Set<FileDescriptor> {
  if (found.has(file)) return found;
  found.add(file);
  for (const name of file.dependencies) {
    const dependency = files.get(name);
    if (dependency !== undefined) closure(dependency, files, found);
  }
  return found;
}
