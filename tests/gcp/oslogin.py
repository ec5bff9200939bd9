"""OS Login: the keys of a caller's own account, which machines ask for where it is enabled."""

import base64
import hashlib

from .errors import Refusal, invalid


class OsLogin:
    def __init__(self):
        self.keys: dict[str, dict[str, dict]] = {}  # account -> fingerprint -> SshPublicKey
        self.keys_changed = lambda user: None

    @staticmethod
    def user_of(email: str) -> str:
        if email.endswith(".gserviceaccount.com"):
            return "sa_" + str(int(hashlib.sha256(email.encode()).hexdigest(), 16))[:21]
        return email.replace("@", "_").replace(".", "_")

    def own(self, name: str, principal) -> str:
        email = name.removeprefix("users/")
        if email != principal.email:
            raise Refusal(403, "forbidden", "The caller does not have permission")
        return email

    def profile(self, email: str) -> dict:
        user = self.user_of(email)
        account = {"primary": True, "username": user, "uid": "123456789", "gid": "123456789", "homeDirectory": f"/home/{user}",
                   "shell": "/bin/bash", "operatingSystemType": "LINUX", "accountId": "my-gcp-project",
                   "name": f"users/{email}/projects/my-gcp-project"}
        return {"name": "117000000000000000001", "posixAccounts": [account], "sshPublicKeys": self.keys.get(email, {})}

    def users_importSshPublicKey(self, asked, principal) -> dict:
        email, given = self.own(asked["parent"], principal), asked["body"]
        kind, _, rest = given.get("key", "").partition(" ")
        try:
            blob = base64.b64decode(rest.split()[0], validate=True)
        except (ValueError, IndexError) as problem:
            raise invalid("Invalid ssh key entry - unrecognized format") from problem
        if not kind or len(blob) < 32:
            raise invalid("Invalid ssh key entry - unrecognized format")
        name = hashlib.sha256(blob).hexdigest()
        known = {"key": given["key"], "fingerprint": name, "name": f"users/{email}/sshPublicKeys/{name}"}
        if "expirationTimeUsec" in given:
            known["expirationTimeUsec"] = given["expirationTimeUsec"]
        self.keys.setdefault(email, {})[name] = known
        self.keys_changed(self.user_of(email))
        return {"loginProfile": self.profile(email), "details": ""}

    def users_sshPublicKeys_delete(self, asked, principal) -> dict:
        user, _, name = asked["name"].partition("/sshPublicKeys/")
        email = self.own(user, principal)
        if self.keys.get(email, {}).pop(name, None) is None:
            raise Refusal(404, "notFound", "The SSH key was not found")
        self.keys_changed(self.user_of(email))
        return {}

    def users_getLoginProfile(self, asked, principal) -> dict:
        return self.profile(self.own(asked["name"], principal))
