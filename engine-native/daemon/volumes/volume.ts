// A volume's record (ROOT/volumes/<name>/volume.json) and how the API shows it. Only data and its shape.

export interface VolumeRecord {
  name: string;
  /** RFC 3339. */
  created: string;
  labels: Record<string, string>;
  /** As given with `-o`. */
  options: Record<string, string>;
}

/** Docker marks volumes that nobody named with it; prune takes only these unless told otherwise. */
export const anonymousLabel = 'com.docker.volume.anonymous';

export function describeVolume(record: VolumeRecord, mountpoint: string): object {
  const { name, created, labels, options } = record;
  return {
    CreatedAt: created,
    Driver: 'local',
    Labels: Object.keys(labels).length > 0 ? labels : null,
    Mountpoint: mountpoint,
    Name: name,
    Options: Object.keys(options).length > 0 ? options : null,
    Scope: 'local',
  };
}
