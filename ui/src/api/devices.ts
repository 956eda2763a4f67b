/**
 * Login with a device (WebAuthn), alone or as the second factor, and its registration.
 *
 * What the device signs travels in headers, as the API wants it (cockpit-services.md 7.2).
 */
import { base64url } from "./encoding";
import { ApiError } from "./errors";
import { loginWithDevice, post } from "./http";
import { type LoginAnswer } from "./types";

export interface DeviceService {
  identityServiceName: string;
  secondFactor: boolean;
}

interface ClientAnswer {
  iamFidoTimeout: number;
  iamFidoTransports: string[];
  iamFidoUserVerification: string;
  iamFidoResidentKey: string;
  iamFidoAttachment: string;
}

interface ChallengeAnswer {
  requestId: string;
  challenge: string;
  credentialIds: string[];
}

/** The first factor that the server has accepted. */
export interface FirstFactor {
  account: string;
  password: string;
  service: string;
}

const secure = (): void => {
  if (!window.isSecureContext || typeof PublicKeyCredential === "undefined")
    throw new ApiError(0, "INSECURE", "The browser uses devices only over HTTPS: open the Cockpit by its https address.", "");
};

export async function enterWithDevice(service: string, account: string, first?: FirstFactor): Promise<LoginAnswer> {
  secure();
  const named = { identityServiceName: service };
  const client = await post<ClientAnswer>("iam/identity_fido_client", named);
  const asked = await post<ChallengeAnswer>("iam/fido/request_authentication", {
    ...named,
    origin: window.location.origin,
    ...(account === "" ? {} : { accountName: account }),
  });
  const transports = client.iamFidoTransports.map((one) => one.toLowerCase()) as AuthenticatorTransport[];
  const credential = await answered(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: bytes(asked.challenge),
        timeout: client.iamFidoTimeout,
        userVerification: client.iamFidoUserVerification.toLowerCase() as UserVerificationRequirement,
        allowCredentials: asked.credentialIds.map((id) => ({
          type: "public-key",
          id: bytes(id),
          ...(transports.length > 0 ? { transports } : {}),
        })),
      },
    }),
  );
  const response = credential.response as AuthenticatorAssertionResponse;
  return loginWithDevice(
    {
      "X-REQUEST-ID": asked.requestId,
      "X-CREDENTIAL-ID": base64url(credential.rawId),
      "X-CLIENT-DATA-JSON": base64url(response.clientDataJSON),
      "X-AUTHENTICATOR-DATA": base64url(response.authenticatorData),
      "X-SIGNATURE": base64url(response.signature),
    },
    service,
    first,
  );
}

/** Ask to be let in with a device; gives the fingerprint of its key, which who approves it sees, too. */
export async function registerDevice(service: string, account: string, email: string): Promise<string> {
  secure();
  const named = { identityServiceName: service, accountName: account };
  const client = await post<ClientAnswer>("iam/identity_fido_client", named);
  const origin = window.location.origin;
  const asked = await post<ChallengeAnswer>("iam/fidoregistration/request_registration_start", { ...named, origin });
  const user = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${service}:${account}`));
  const attachment = { PLATFORM: "platform", ROAMING: "cross-platform" }[client.iamFidoAttachment];
  const credential = await answered(() =>
    navigator.credentials.create({
      publicKey: {
        rp: { name: "Stellwerk", id: window.location.hostname },
        user: { id: user, name: account, displayName: account },
        challenge: bytes(asked.challenge),
        pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: "public-key", alg })),
        timeout: client.iamFidoTimeout,
        attestation: "none",
        authenticatorSelection: {
          userVerification: client.iamFidoUserVerification.toLowerCase() as UserVerificationRequirement,
          residentKey: client.iamFidoResidentKey.toLowerCase() as ResidentKeyRequirement,
          ...(attachment === undefined ? {} : { authenticatorAttachment: attachment as AuthenticatorAttachment }),
        },
      },
    }),
  );
  const response = credential.response as AuthenticatorAttestationResponse;
  const answer = await post<{ fingerprint: string }>("iam/fidoregistration/request_registration", {
    ...named,
    ...(email === "" ? {} : { email }),
    origin,
    requestId: asked.requestId,
    credentialId: base64url(credential.rawId),
    clientDataJSON: base64url(response.clientDataJSON),
    attestationObject: base64url(response.attestationObject),
  });
  return answer.fingerprint;
}

async function answered(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let credential: Credential | null;
  try {
    credential = await ask();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    const said = error.name === "InvalidStateError" ? "This device is registered already." : "The device did not answer, or was refused.";
    throw new ApiError(0, "DEVICE", said, "");
  }
  if (credential === null) throw new ApiError(0, "DEVICE", "The device did not answer.", "");
  return credential as PublicKeyCredential;
}

function bytes(text: string): ArrayBuffer {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (one) => one.charCodeAt(0)).buffer;
}
