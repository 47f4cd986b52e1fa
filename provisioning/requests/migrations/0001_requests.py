"""Products, requests with their steps, substitutes and mails, and who may look at them."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Seven tables."""

    initial = True

    dependencies = [
        ('contracts', '0003_refused_switches'),
        ('provisioning', '0037_merge'),
        ('rules', '0003_holdings'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Product',
            fields=[
                ('rule', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='product', serialize=False, to='rules.businessrule')),
                ('text', models.TextField(blank=True)),
                ('risk', models.TextField(blank=True, verbose_name='risk note')),
                ('picture', models.BinaryField(blank=True, null=True)),
                ('picture_type', models.CharField(blank=True, max_length=32)),
                ('offered', models.BooleanField(default=True)),
                ('audience', models.CharField(choices=[('everyone', 'Everyone'), ('groups', 'Members of chosen groups'), ('condition', 'Whoever a condition holds for')], default='everyone', max_length=10)),
                ('condition', models.JSONField(blank=True, default=dict)),
                ('fields', models.JSONField(blank=True, default=list)),
                ('days', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='time limit in days')),
                ('renewable', models.BooleanField(default=True, verbose_name='can be renewed')),
                ('most', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='maximum number')),
                ('until_disabled', models.BooleanField(default=True, verbose_name='returned when the person is deactivated')),
                ('department', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='products', to='contracts.department')),
                ('seen_by', models.ManyToManyField(blank=True, related_name='products', to='provisioning.group')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='owned_products', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['rule__category', 'rule__name'],
            },
        ),
        migrations.CreateModel(
            name='ProductRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('product_name', models.CharField(max_length=150)),
                ('person_name', models.CharField(max_length=300)),
                ('asked_by_name', models.CharField(max_length=300)),
                ('state', models.CharField(choices=[('waiting', 'Waiting for approval'), ('granted', 'Approved'), ('refused', 'Refused'), ('withdrawn', 'Withdrawn'), ('cancelled', 'Cannot be given any more'), ('returned', 'Given back'), ('ended', 'Time is over')], default='waiting', max_length=10)),
                ('renews', models.BooleanField(default=False)),
                ('answers', models.JSONField(blank=True, default=list)),
                ('reason', models.TextField(blank=True)),
                ('why', models.TextField(blank=True)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('told_of_end', models.BooleanField(default=False)),
                ('asked_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='asked_requests', to=settings.AUTH_USER_MODEL)),
                ('person', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='requests', to=settings.AUTH_USER_MODEL)),
                ('product', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='requests', to='requests.product')),
            ],
            options={
                'verbose_name': 'request',
                'ordering': ['-pk'],
                'permissions': [('decide_productrequest', 'Can decide requests that nobody else can')],
                'default_permissions': ('view', 'add', 'change'),
            },
        ),
        migrations.CreateModel(
            name='ProductStep',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField()),
                ('kind', models.CharField(choices=[('manager', 'The person’s manager'), ('head', 'The head of the person’s department'), ('product_head', 'The head of the product’s department'), ('owner', 'The product’s owner'), ('person', 'A certain person'), ('group', 'Members of a group'), ('condition', 'Whoever a condition finds')], max_length=12)),
                ('condition', models.JSONField(blank=True, default=dict)),
                ('remind', models.PositiveSmallIntegerField(default=3, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='days until they are reminded')),
                ('escalate', models.PositiveSmallIntegerField(default=7, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='days until those above are asked, too')),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='provisioning.group')),
                ('person', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='requests.product')),
            ],
            options={
                'ordering': ['position'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='RequestStep',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField()),
                ('kind', models.CharField(choices=[('manager', 'The person’s manager'), ('head', 'The head of the person’s department'), ('product_head', 'The head of the product’s department'), ('owner', 'The product’s owner'), ('person', 'A certain person'), ('group', 'Members of a group'), ('condition', 'Whoever a condition finds')], max_length=12)),
                ('condition', models.JSONField(blank=True, default=dict)),
                ('remind', models.PositiveSmallIntegerField(default=3, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='days until they are reminded')),
                ('escalate', models.PositiveSmallIntegerField(default=7, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='days until those above are asked, too')),
                ('state', models.CharField(choices=[('ahead', 'Comes later'), ('open', 'Waiting'), ('approved', 'Approved'), ('refused', 'Refused')], default='ahead', max_length=8)),
                ('said', models.TextField(blank=True)),
                ('opened_at', models.DateTimeField(blank=True, null=True)),
                ('reminded_at', models.DateTimeField(blank=True, null=True)),
                ('raised', models.PositiveSmallIntegerField(default=0)),
                ('raised_at', models.DateTimeField(blank=True, null=True)),
                ('decided_by_name', models.CharField(blank=True, max_length=300)),
                ('instead_of', models.CharField(blank=True, max_length=300)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('reason', models.TextField(blank=True)),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='decided_steps', to=settings.AUTH_USER_MODEL)),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='provisioning.group')),
                ('person', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('request', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='requests.productrequest')),
            ],
            options={
                'ordering': ['position'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='RequestMail',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('told', models.CharField(choices=[('asked', 'Please decide'), ('reminded', 'Still waiting for you'), ('state', 'What became of a request'), ('ending', 'It ends soon')], max_length=8)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('request', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mails', to='requests.productrequest')),
                ('to', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='request_mails', to=settings.AUTH_USER_MODEL)),
                ('step', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='mails', to='requests.requeststep')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='AskedApprover',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('instead_of', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='asked_steps', to=settings.AUTH_USER_MODEL)),
                ('step', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='asked', to='requests.requeststep')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Substitute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts', models.DateField(verbose_name='first day')),
                ('ends', models.DateField(verbose_name='last day')),
                ('substitute', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='substitute_for', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='substitutes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['starts', 'pk'],
            },
        ),
        migrations.AddIndex(
            model_name='productrequest',
            index=models.Index(fields=['person', '-id'], name='request_of_person'),
        ),
        migrations.AddIndex(
            model_name='productrequest',
            index=models.Index(fields=['asked_by', '-id'], name='request_by_asker'),
        ),
        migrations.AddIndex(
            model_name='productrequest',
            index=models.Index(fields=['state', '-id'], name='request_by_state'),
        ),
        migrations.AddIndex(
            model_name='productrequest',
            index=models.Index(condition=models.Q(('state', 'granted')), fields=['product', 'person'], name='request_granted'),
        ),
        migrations.AddConstraint(
            model_name='productrequest',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('product', 'person'), name='request_waits_once'),
        ),
        migrations.AddConstraint(
            model_name='productstep',
            constraint=models.UniqueConstraint(fields=('product', 'position'), name='product_step_once'),
        ),
        migrations.AddIndex(
            model_name='requeststep',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['id'], name='request_step_open'),
        ),
        migrations.AddConstraint(
            model_name='requeststep',
            constraint=models.UniqueConstraint(fields=('request', 'position'), name='request_step_once'),
        ),
        migrations.AddIndex(
            model_name='requestmail',
            index=models.Index(condition=models.Q(('sent_at__isnull', True)), fields=['due_at'], name='request_mail_due'),
        ),
        migrations.AddConstraint(
            model_name='askedapprover',
            constraint=models.UniqueConstraint(fields=('step', 'user'), name='asked_once'),
        ),
        migrations.AddConstraint(
            model_name='substitute',
            constraint=models.CheckConstraint(condition=models.Q(('ends__gte', models.F('starts'))), name='substitute_days'),
        ),
        migrations.AddConstraint(
            model_name='substitute',
            constraint=models.CheckConstraint(condition=models.Q(('user', models.F('substitute')), _negated=True), name='substitute_is_another'),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
