"""Contacts of HubSpot, by a POST search. A search ends at 10,000 results and its `after` is a position,
so each page is a search of its own: sorted by id, from the last id on. No contact can slip past.

It needs the secret `accessToken` of a private app that reads contacts. Put the properties that you
want into PROPERTIES. Contacts that leave the recycle bin (after 90 days) or are deleted for good
before a sync saw them there stay in the table until a re-sync; one that is restored comes back with
its next change.
"""

from connector import BearerToken, Fetch, Page, Source

PROPERTIES = ["createdate", "email", "firstname", "lastname", "lifecyclestage", "lastmodifieddate"]

source = Source(base_url="https://api.hubapi.com", auth=BearerToken("accessToken"))


@source.entity("contact", primary_key=["id"], cursor="lastmodifieddate", page_size=200)
def contact(fetch: Fetch) -> Page:
    """One page of contacts changed since the cursor."""
    filters = [{"propertyName": "hs_object_id", "operator": "GT", "value": fetch.token or "0"}]
    if fetch.since:
        since = str(fetch.since_as("epoch_ms"))
        filters.append({"propertyName": "lastmodifieddate", "operator": "GTE", "value": since})
    response = fetch.post(
        "/crm/v3/objects/contacts/search",
        json={
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": PROPERTIES,
            "limit": fetch.page_size,
        },
        retry=True,
    )
    rows = [{"id": row["id"], **row["properties"]} for row in response.rows("results")]
    more = response.value("paging.next.after", default=None)
    return Page(rows, next_token=rows[-1]["id"] if more else None)


@source.entity("contact_archived", tables={"contact": ["id"]})
def contact_archived(fetch: Fetch) -> Page:
    """One page of the recycle bin: a search never finds what is in it."""
    response = fetch.get(
        "/crm/v3/objects/contacts",
        params={"archived": True, "after": fetch.token, "limit": fetch.page_size},
    )
    return Page(
        deleted={"contact": response.rows("results")},
        next_token=response.value("paging.next.after", default=None),
    )
