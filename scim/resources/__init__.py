"""What a user and a group are over SCIM: schemas, the table of attributes, each application's mapping."""
