/** Chromium's virtual authenticator, so that passkeys are made and used as a person's device would. */
import type { CDPSession, Page } from 'playwright-core';

export interface VirtualAuthenticator {
  /** What it holds. */
  credentials(): Promise<
    { credentialId: string; signCount: number; userHandle?: string; privateKey: string }[]
  >;
  /** Sets the counter of what it holds back or forth. */
  setCount(count: number): Promise<void>;
  /** Whether its user proves who they are (PIN, finger). */
  setVerified(verified: boolean): Promise<void>;
}

/** Plugs a device with a built-in authenticator into this page. */
export async function plugIn(page: Page, options: { synced?: boolean } = {}): Promise<VirtualAuthenticator> {
  const session: CDPSession = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      defaultBackupEligibility: options.synced ?? false,
      defaultBackupState: options.synced ?? false,
    },
  });
  const credentials = async () =>
    (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials;
  return {
    credentials,
    async setCount(count) {
      for (const credential of await credentials()) {
        await session.send('WebAuthn.removeCredential', {
          authenticatorId,
          credentialId: credential.credentialId,
        });
        await session.send('WebAuthn.addCredential', {
          authenticatorId,
          credential: { ...credential, signCount: count },
        });
      }
    },
    async setVerified(isUserVerified) {
      await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
    },
  };
}
