// One mount of a container as its record keeps it: what plan-mounts.ts decided at creation. Read by start, inspect, archives and volumes. Only data.

export interface MountPoint {
  type: 'bind' | 'volume' | 'tmpfs';
  /** Absolute, without "." or "..". */
  target: string;
  readonly: boolean;
  /** Options as the user wrote them ("ro,z"); inspect shows them. */
  mode: string;
  /** Host path of a bind, folder of a volume; "" otherwise. */
  source: string;
  /** Name of a volume; "" otherwise. */
  volume: string;
  /** Folder inside the volume to show. */
  subpath: string;
  /** An empty volume stays empty instead of getting the image's files. */
  noCopy: boolean;
  /** The user named the volume: `rm -v` leaves it alone. */
  named: boolean;
  propagation: Propagation;
  /** Mounts below a bind's source come along. */
  recursive: boolean;
  /** Owners are shifted into the container's user namespace. */
  idmap: boolean;
  tmpfs?: TmpfsSettings;
}

export type Propagation = '' | 'rprivate' | 'private' | 'rslave' | 'slave' | 'rshared' | 'shared';

export interface TmpfsSettings {
  /** Bytes; 0 = the kernel's default, half of the memory. */
  size: number;
  /** Octal digits read as a decimal number: 1777. */
  mode: number;
  exec: boolean;
  suid: boolean;
  dev: boolean;
  uid: number;
  gid: number;
}
