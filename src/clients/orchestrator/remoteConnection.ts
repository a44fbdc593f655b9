/** `connecting` until the first attempt has ended; `disconnected` while it tries again. */
export type RemoteConnection = 'connecting' | 'connected' | 'disconnected';
