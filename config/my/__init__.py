"""The pages under /my/ on which everybody looks after their own sign-in."""
