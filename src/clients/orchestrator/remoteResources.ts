import type { ContainerAccess } from '../../core/containers/containerAccess.ts';
import type { SessionNetwork } from '../../core/containers/sessionResources.ts';
import type {
  ContainerServiceDefinition,
  Network as NetworkMessage,
} from '../../protocol/gen/container/v1/container.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { given } from '../../protocol/given.ts';
import { present } from './values.ts';

/** Networks and volumes of sessions of another core. */
export function remoteResources(
  service: RpcClient<typeof ContainerServiceDefinition>,
): ContainerAccess['resources'] {
  return {
    async createNetwork(sessionId, name, { isInternal }) {
      return networkOf(
        present((await service.createNetwork({ sessionId, name, isInternal })).network, 'network'),
      );
    },
    async networks(sessionId) {
      return (await service.listNetworks({ sessionId })).networks.map(networkOf);
    },
    async removeNetwork(sessionId, name) {
      await service.removeNetwork({ sessionId, name });
    },
    async createVolume(sessionId, name) {
      return present((await service.createVolume({ sessionId, name })).volume, 'volume');
    },
    async volumes(sessionId) {
      return (await service.listVolumes({ sessionId })).volumes;
    },
    async removeVolume(sessionId, name) {
      await service.removeVolume({ sessionId, name });
    },
  };
}

function networkOf({ gateway, ...network }: NetworkMessage): SessionNetwork {
  return { ...network, gateway: given(gateway) };
}
