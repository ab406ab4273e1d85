// Starts the build of a finished image: as with a push, it takes the place of one that is still building and waits for one being deployed.
import type { ImageRequest } from '@berth/contract/build.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';
import { startPush } from './start-push.ts';

/** The id of the push that its deployer follows. */
export async function deployImage(
  services: Services,
  user: User,
  appId: string,
  image: ImageRequest,
): Promise<string> {
  for (;;) {
    const started = await startPush(services, {
      appId,
      userId: user.id,
      ref: 'refs/berth/images',
      oldOid: '',
      newOid: null,
      treeOid: null,
      repository: '',
      objectDirectories: [],
      trigger: 'image',
      image,
    });
    if (!('waited' in started)) return started.pushId;
  }
}
