"""Issues of Jira Cloud, by JQL. A time in JQL has no seconds and no offset: Jira reads it in the time
zone of the user who asks, which is also the zone of the times that it returns.

It needs the payload key `site` (of SITE.atlassian.net) and the secrets `email` and `apiToken`. Put
the fields that you want into FIELDS; `updated` must be one of them. After changing the user's time
zone in Jira, do a re-sync. Issues that are deleted in Jira stay in the table: a search does not
tell them.
"""

from datetime import timedelta

from connector import BasicAuth, Fetch, Page, Source

FIELDS = ["summary", "issuetype", "status", "priority", "assignee", "labels", "created", "updated"]

source = Source(base_url="https://{site}.atlassian.net", auth=BasicAuth("email", "apiToken"))


@source.entity(
    "issue",
    primary_key=["id"],
    cursor="updated",
    start="1990-01-01T00:00:00.000+0000",  # Jira refuses a search without a condition
    # Five minutes for the search index, and an hour for the nights when the clocks change.
    lookback=timedelta(minutes=65),
)
def issue(fetch: Fetch) -> Page:
    """One page of issues changed since the cursor."""
    since = fetch.since_as("%Y/%m/%d %H:%M")
    response = fetch.get(
        "/rest/api/3/search/jql",
        params={
            # By creation: sorted by time of change, issues would move between two pages.
            "jql": f'updated >= "{since}" ORDER BY created ASC, key ASC',
            "fields": ",".join(FIELDS),
            "maxResults": fetch.page_size,
            "nextPageToken": fetch.token,
        },
    )
    issues = response.rows("issues")
    return Page(
        [{"id": each["id"], "key": each["key"], **each["fields"]} for each in issues],
        next_token=response.value("nextPageToken", default=None),
    )
