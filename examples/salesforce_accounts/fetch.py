"""Accounts of Salesforce, by a SOQL query. The rest of a long result is behind nextRecordsUrl, a path
on the same host. queryAll gives deleted records too, while they are in the recycle bin (15 days).

It needs the payload key `instance` (of INSTANCE.my.salesforce.com; a sandbox has another base_url,
https://{instance}.sandbox.my.salesforce.com) and, of an app with the client credentials flow, the
secrets `clientId` and `clientSecret`. Put the columns that you want into FIELDS. An account that
leaves the recycle bin before a sync has seen it there stays in the table until a re-sync.
"""

from datetime import timedelta

from connector import Fetch, OAuth2ClientCredentials, Page, Source

API = "/services/data/v67.0"
FIELDS = "Id, IsDeleted, SystemModstamp, Name, Industry, AnnualRevenue"

source = Source(
    base_url="https://{instance}.my.salesforce.com",
    auth=OAuth2ClientCredentials(
        "/services/oauth2/token", "clientId", "clientSecret", credentials_in="body"
    ),
)


@source.entity(
    "account",
    primary_key=["Id"],
    cursor="SystemModstamp",
    start="1999-01-01T00:00:00.000+0000",
    # A long transaction shows its records later than the time that it stamps them with.
    lookback=timedelta(minutes=30),
)
def account(fetch: Fetch) -> Page:
    """One batch of accounts changed or deleted since the cursor; a time in SOQL has no quotes."""
    query = f"SELECT {FIELDS} FROM Account WHERE SystemModstamp >= {fetch.since_as('iso')}"
    response = fetch.follow(f"{API}/queryAll", params={"q": query})
    records = response.rows("records")
    for record in records:
        del record["attributes"]  # its type and URL
    return Page(
        records,
        next_token=None if response.value("done") else response.value("nextRecordsUrl"),
        deleted=[record for record in records if record["IsDeleted"]],
    )
